import AMQP
import LinuxSystem
import Runtime
import ScanBatchCodec
import Synchronization

/// The consuming thread of a worker: owns the broker connection, decodes deliveries for the writer, and acknowledges
/// what the writer has settled (`IngestConsumer+Acknowledgement.swift`).
final class IngestConsumer {
    /// Longest wait in poll(2), in milliseconds, so that heartbeats are sent in time.
    static let pollMs = 250

    /// A connection that lasted longer than this was stable: the next back-off starts at its minimum.
    static let stableConnectionMs: Int64 = 5_000

    private enum End {
        case stopped, databaseUnavailable
        /// Nothing of a full window was stored for `WorkerChannel.fullLimitMs`.
        case full
    }

    let settings: IngestSettings
    let channel: WorkerChannel
    private let health: IngestHealth.Worker
    private let metrics: IngestMetrics
    private let stop: StopSignal
    let log = Log("ingest")
    private var backoff = Backoff()
    /// Selects the broker address: increased after each failed or lost connection.
    private var attempt = 0
    private var connectedAtMs: Int64?
    private var unacknowledged = 0

    init(
        settings: IngestSettings, channel: WorkerChannel, health: IngestHealth.Worker, metrics: IngestMetrics,
        stop: StopSignal
    ) {
        self.settings = settings
        self.channel = channel
        self.health = health
        self.metrics = metrics
        self.stop = stop
    }

    /// Runs until the writer has ended and its last settlement is acknowledged.
    func run() {
        while !channel.writerEnded.isStopped {
            let shards = channel.shards.load(ordering: .acquiring)
            guard !stop.isStopped, shards > 0, !isDatabaseUnavailableTooLong else {
                // The database is unavailable: stop consuming so that messages stay queued.
                _ = Poll.wait([channel.writerEnded.descriptor], timeoutMs: 50)
                continue
            }
            do {
                let (connection, assignment) = try connect(shards)
                switch try consume(connection, assignment) {
                case .stopped: break
                case .databaseUnavailable:
                    if health.setBroker("not consumed: the database is unavailable") {
                        log.warning("database unavailable, unacknowledged deliveries requeued")
                    }
                case .full:
                    if health.setBroker("not consumed: the database stores nothing") {
                        log.warning("database too slow for the deliveries in hand, requeued")
                    }
                    stop.wait(ms: backoff.nextDelayMs())
                }
                connection.close()
            } catch {
                handleConnectionLoss(error)
            }
            // Unsettled deliveries are redelivered on the next channel.
            channel.newGeneration()
            setUnacknowledged(0)
        }
        health.setBroker("stopped")
    }

    private var isDatabaseUnavailableTooLong: Bool {
        health.databaseUnavailableMs > Int64(settings.databaseAwayLimitMs)
    }

    // MARK: The broker connection

    private func connect(_ shards: Int) throws -> (AMQPConnection, ShardAssignment) {
        let address = settings.brokers[attempt % settings.brokers.count]
        attempt += 1
        let connection = try AMQPConnection(
            address, name: "tapline-center ingest",
            bodyLimits: AMQPBodyLimits(
                wholeBytes: ScanBatch.bodyLimitBytes, beginningBytes: ValidatedDelivery.oversizedKeptBytes),
            interrupt: stop.descriptor)
        try Topology.declare(connection, shards: shards, centers: settings.instance.count)
        let generation = channel.newGeneration()
        try connection.qos(prefetch: UInt16(WorkerChannel.prefetch(shards: shards)))
        let name = "center-\(UInt64.random(in: .min ... .max))-\(generation)"
        let assignment = try subscribe(connection, shards: shards, name: name)
        connectedAtMs = SystemClock.monotonicMs()
        // Stay with a broker that works.
        attempt -= 1
        metrics.brokerConnections.add()
        if health.setBroker(nil) {
            log.info("consuming", [.host: address, .shards: shards, .name: settings.instance])
        }
        return (connection, assignment)
    }

    /// Logs an outage once and waits for the back-off.
    private func handleConnectionLoss(_ error: any Error) {
        if let connectedAtMs {
            attempt += 1
            if SystemClock.monotonicMs() - connectedAtMs > IngestConsumer.stableConnectionMs { backoff.reset() }
        }
        connectedAtMs = nil
        if health.setBroker("\(error)"), !stop.isStopped {
            log.warning("broker connection lost", [.error: "\(error)", .detail: hint(for: error)])
        }
        stop.wait(ms: backoff.nextDelayMs())
    }

    private func hint(for error: any Error) -> String {
        switch (error as? AMQPError)?.replyCode {
        case 406: "an exchange or queue has other arguments than contract.md section 3 says: empty and delete it"
        case 503: "the broker may lack the plugin rabbitmq_consistent_hash_exchange"
        default: "reconnecting"
        }
    }

    // MARK: Consuming

    /// Reports the number of deliveries in hand. The metric is the sum over all workers.
    private func setUnacknowledged(_ count: Int) {
        metrics.unacknowledged.add(count - unacknowledged)
        unacknowledged = count
    }

    private func consume(_ connection: AMQPConnection, _ start: ShardAssignment) throws -> End {
        let generation = channel.generation.load(ordering: .acquiring)
        var assignment = start
        var window = AckWindow()
        var settledMs = SystemClock.monotonicMs()
        while true {
            // After the stop signal only the end of the writer matters.
            let end = stop.isStopped ? channel.writerEnded : stop
            // Full: the broker waits until something is stored.
            let isFull = window.bodyBytes >= WorkerChannel.bodiesLimitBytes
            _ = Poll.wait(
                [channel.settlements.descriptor, end.descriptor] + (isFull ? [] : [connection.descriptor]),
                timeoutMs: !isFull && connection.hasBufferedEvents ? 0 : IngestConsumer.pollMs)
            let hasEnded = channel.writerEnded.isStopped
            if !isFull {
                // Before the poll, because its calls may leave deliveries for it.
                if !stop.isStopped { try updateSubscriptions(connection, &assignment, unsettled: window.count) }
                try receive(try connection.poll(), generation, &window, &assignment)
            }
            let unsettled = window.count
            try acknowledgeSettled(connection, generation, &window)
            setUnacknowledged(window.count)
            if hasEnded { return .stopped }
            if isDatabaseUnavailableTooLong { return .databaseUnavailable }
            if !isFull || window.count < unsettled {
                settledMs = SystemClock.monotonicMs()
            } else if SystemClock.monotonicMs() - settledMs > WorkerChannel.fullLimitMs {
                return .full
            }
        }
    }

    private func receive(
        _ events: [AMQPEvent], _ generation: Int, _ window: inout AckWindow, _ assignment: inout ShardAssignment
    ) throws {
        let now = SystemClock.nowMicroseconds()
        for event in events {
            switch event {
            case .delivery(let delivery):
                metrics.deliveries.add()
                if delivery.redelivered { metrics.redeliveries.add() }
                window.deliver(delivery.tag, bytes: delivery.body.count)
                if let shard = assignment.recordDelivery(consumerTag: delivery.consumerTag) {
                    log.info("shard taken over from another center", [.queue: Topology.queue(shard)])
                }
                let batch = IngestDelivery(delivery, receivedMicros: now)
                // Decoded on this thread, while the writer stores the previous group.
                let received = ReceivedDelivery(
                    generation: generation, tag: delivery.tag, deliveryCount: delivery.deliveryCount,
                    delivery: batch, validated: ValidatedDelivery(batch, relayUsers: settings.relayUsers))
                guard channel.deliveries.send(received) else {
                    throw IngestError.consumerLost("the broker delivers more than the prefetch allows")
                }
            case .consumerCancelled(let tag):
                throw IngestError.consumerLost("the broker cancelled consumer \(tag): its queue was deleted")
            case .channelClosed(let code, let text):
                throw IngestError.consumerLost("the broker closed the channel: \(code) \(text)")
            case .connectionClosed, .confirmed, .nacked, .returned, .blocked, .unblocked: break
            }
        }
    }
}
