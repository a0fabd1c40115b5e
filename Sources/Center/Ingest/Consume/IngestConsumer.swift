import AMQP
import LinuxSystem
import Runtime
import Synchronization

/// The consuming thread of a lane: owns the broker connection, decodes deliveries, hands them to the writer, acknowledges what
/// it settled.
final class IngestConsumer {
    /// Longest sleep in poll(2): heartbeats go out in time.
    static let pollMs = 250

    /// A connection that lived this long was a good one: the next back-off starts small again.
    static let steadyMs: Int64 = 5_000

    private enum End {
        case stopped, databaseAway
    }

    /// The broker is there, but does not deliver any more.
    struct ConsumerLost: Error, CustomStringConvertible {
        let description: String
    }

    let settings: IngestSettings
    private let link: WorkerChannel
    private let health: IngestHealth.Lane
    private let metrics: IngestMetrics
    private let stop: StopSignal
    let log = Log("ingest")
    private var backoff = Backoff()
    private var attempt = 0
    private var connectedAtMs: Int64?
    private var held = 0

    init(
        _ settings: IngestSettings, _ link: WorkerChannel, _ health: IngestHealth.Lane, _ metrics: IngestMetrics,
        _ stop: StopSignal
    ) {
        (self.settings, self.link, self.health) = (settings, link, health)
        (self.metrics, self.stop) = (metrics, stop)
    }

    /// Runs until the writer has ended and its last settlement is acknowledged.
    func run() {
        while !link.writerEnded.isStopped {
            let shards = link.shards.load(ordering: .acquiring)
            guard !stop.isStopped, shards > 0, !isDatabaseAwayTooLong else {
                // Nobody could store anything now: leave the batches to the broker.
                _ = Poll.wait([link.writerEnded.descriptor], timeoutMs: 50)
                continue
            }
            do {
                let (connection, rota) = try connect(shards)
                switch try consume(connection, rota) {
                case .stopped: break
                case .databaseAway:
                    if health.setBroker("not consumed: the database is away") {
                        log.warning("gave the deliveries back: the database is away too long")
                    }
                }
                connection.close()
            } catch {
                lose(error)
            }
            // What was not settled comes again, on another channel.
            link.newGeneration()
            holds(0)
        }
        health.setBroker("stopped")
    }

    private var isDatabaseAwayTooLong: Bool { health.databaseAwayMs > Int64(settings.databaseAwayLimitMs) }

    // MARK: The broker

    private func connect(_ shards: Int) throws -> (AMQPConnection, ShardAssignment) {
        let address = settings.brokers[attempt % settings.brokers.count]
        attempt += 1
        let connection = try AMQPConnection(address, name: "tapline-center ingest", interrupt: stop.descriptor)
        try Topology.declare(connection, shards: shards, centers: settings.place.count)
        let generation = link.newGeneration()
        try connection.qos(prefetch: UInt16(WorkerChannel.prefetch(shards: shards)))
        let name = "center-\(UInt64.random(in: .min ... .max))-\(generation)"
        let rota = try begin(connection, shards, name: name, lane: link.lane)
        connectedAtMs = SystemClock.monotonicMs()
        // Stay with a broker that works.
        attempt -= 1
        metrics.brokerConnections.add()
        if health.setBroker(nil) { log.info("consuming", [.host: address, .shards: shards, .name: settings.place]) }
        return (connection, rota)
    }

    /// Notes an outage, once, and waits.
    private func lose(_ error: any Error) {
        if let connectedAtMs {
            attempt += 1
            if SystemClock.monotonicMs() - connectedAtMs > IngestConsumer.steadyMs { backoff.reset() }
        }
        connectedAtMs = nil
        if health.setBroker("\(error)"), !stop.isStopped {
            log.warning("broker away", [.error: "\(error)", .detail: hint(error)])
        }
        stop.wait(ms: backoff.nextDelayMs())
    }

    private func hint(_ error: any Error) -> String {
        switch (error as? AMQPError)?.replyCode {
        case 406: "an exchange or queue exists with other arguments than SPEC.md section 3 says: empty and delete it"
        case 503: "the broker may lack the plugin rabbitmq_consistent_hash_exchange"
        default: "connecting again"
        }
    }

    // MARK: Consuming

    /// So many deliveries are in hand, of all lanes' in the metric.
    private func holds(_ count: Int) {
        metrics.unacknowledged.add(count - held)
        held = count
    }

    private func consume(_ connection: AMQPConnection, _ start: ShardAssignment) throws -> End {
        let generation = link.generation.load(ordering: .acquiring)
        var rota = start
        var window = AckWindow()
        while true {
            // Once it is told to stop, only the end of the writer matters.
            let end = stop.isStopped ? link.writerEnded : stop
            _ = Poll.wait(
                [connection.descriptor, link.settlements.descriptor, end.descriptor],
                timeoutMs: IngestConsumer.pollMs)
            let hasEnded = link.writerEnded.isStopped
            // Before the poll, for its calls may leave deliveries in the library.
            if !stop.isStopped { try tend(connection, &rota, unsettled: window.count) }
            try take(try connection.poll(), generation, &window, &rota)
            for settlement in link.settlements.drain() where settlement.generation == generation {
                for action in window.settle(accepted: settlement.accepted, rejected: settlement.rejected) {
                    switch action {
                    case .ack(let tag, let multiple): try connection.ack(tag, multiple: multiple)
                    case .reject(let tag): try connection.reject(tag, requeue: false)
                    }
                }
            }
            holds(window.count)
            if hasEnded { return .stopped }
            if isDatabaseAwayTooLong { return .databaseAway }
        }
    }

    private func take(
        _ events: [AMQPEvent], _ generation: Int, _ window: inout AckWindow, _ rota: inout ShardAssignment
    )
        throws
    {
        let now = SystemClock.nowMicroseconds()
        for event in events {
            switch event {
            case .delivery(let delivery):
                metrics.deliveries.add()
                if delivery.redelivered { metrics.redeliveries.add() }
                window.deliver(delivery.tag)
                if let shard = rota.delivered(consumerTag: delivery.consumerTag) {
                    log.info("took over from another center", [.queue: Topology.queue(shard)])
                }
                let received = IngestDelivery(
                    routingKey: delivery.routingKey, userID: delivery.userID, body: delivery.body, receivedMicros: now)
                // Decoded here, while the writer stores what came before.
                let taken = TakenDelivery(
                    generation: generation, tag: delivery.tag, deliveryCount: delivery.deliveryCount,
                    delivery: received, intake: ValidatedDelivery(received, relayUsers: settings.relayUsers))
                guard link.deliveries.send(taken) else {
                    throw ConsumerLost(description: "the broker delivers more than the prefetch allows")
                }
            case .consumerCancelled(let tag):
                throw ConsumerLost(description: "the broker cancelled consumer \(tag): its queue is gone")
            case .channelClosed(let code, let text):
                throw ConsumerLost(description: "the broker closed the channel: \(code) \(text)")
            case .connectionClosed, .confirmed, .refused, .returned, .blocked, .unblocked: break
            }
        }
    }
}
