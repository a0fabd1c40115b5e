import AMQP
import LinuxSystem
package import Runtime
import Synchronization

/// Reads every two seconds how many messages wait in the queues of the broker.
///
/// It has a separate connection, so that an answer does not wait behind deliveries. Its requests have a short time
/// limit: it notices a silent broker before heartbeats do. New dead letters are logged.
package final class QueueDepths: Sendable {
    /// Numbers of ready messages; `nil` while they are unknown.
    package struct Counts: Equatable, Sendable {
        /// Messages in the queues of the scanners, without unacknowledged deliveries.
        package var ready: Int?
        /// Messages in the queue of dead letters.
        package var dead: Int?

        /// Nothing is known.
        package init() {}
    }

    /// Interval of the readings, in milliseconds.
    static let intervalMs = 2_000
    /// Maximum wait for a connection, and for each answer, in milliseconds. Interval and limit stay below the five
    /// seconds within which the loss of a broker is shown.
    static let answerMs = 1_500
    /// Maximum pause before another attempt, in milliseconds.
    private static let pauseMs = 2_000
    /// Number of readings after which the number of shards is looked for, because an upgrade may add some.
    static let shardsEvery = 30

    private let settings: IngestSettings
    private struct State {
        var counts = Counts()
        var silentSinceMicros: Int64?
    }
    private let state = Mutex(State())
    private let log = Log("broker")

    /// Creates a reader whose service is not running yet.
    ///
    /// - Parameters:
    ///   - settings: servers of the ingestion.
    ///   - metrics: where the number of dead letters is registered.
    package init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        metrics.table(
            "tapline_broker_dead_letters", "Messages in the queue tapline.dead, read every two seconds.", type: .gauge
        ) { [self] in counts.dead.map { [([], Double($0))] } ?? [] }
    }

    /// The last counts. Never blocks.
    package var counts: Counts { state.withLock { $0.counts } }

    /// Since when no broker node answers, in microseconds since 1970-01-01 UTC; `nil` while one does. Never blocks.
    package var silentSinceMicros: Int64? { state.withLock { $0.silentSinceMicros } }

    /// Returns the service to run. It never throws: a lost connection is made again, with back-off.
    package func service() -> Service {
        .thread("queue-depths", stackBytes: AMQPConnection.stackBytes) { [self] stop in
            var backoff = Backoff(baseMs: 500, capMs: QueueDepths.pauseMs)
            var (attempt, failures) = (0, 0)
            while !stop.isStopped {
                do {
                    try read(settings.brokers[attempt % settings.brokers.count], stop) {
                        backoff.reset()
                        failures = 0
                    }
                } catch {
                    // The ingestion reports a broker that is unavailable.
                    log.debug("depths of the queues not read, will retry", [.error: "\(error)"])
                    failures += 1
                    noteFailure(error, hasAskedAll: failures >= settings.brokers.count)
                    attempt += 1
                    // The other nodes are asked at once.
                    if failures >= settings.brokers.count { stop.wait(ms: backoff.nextDelayMs()) }
                }
            }
        }
    }

    /// A broker that rejects a request is there.
    private func noteFailure(_ error: any Error, hasAskedAll: Bool) {
        let isSilent =
            switch (error as? AMQPError)?.kind {
            case .unreachable, .timedOut, .connectionLost: hasAskedAll
            default: false
            }
        let nowMicros = SystemClock.nowMicroseconds()
        state.withLock { state in
            state.counts = Counts()
            if isSilent { state.silentSinceMicros = state.silentSinceMicros ?? nowMicros }
        }
    }

    private func read(_ address: AMQPAddress, _ stop: StopSignal, succeeded: () -> Void) throws {
        let connection = try AMQPConnection(
            address, connectTimeoutMs: QueueDepths.answerMs, loginTimeoutMs: QueueDepths.answerMs,
            name: "tapline-center queue depths", interrupt: stop.descriptor)
        defer { connection.close() }
        var (shards, turn, isSettled) = (0, 0, false)
        repeat {
            // At a new broker the queues are declared at the same time: they are looked for until two looks agree.
            if !isSettled || turn % QueueDepths.shardsEvery == 0 {
                let found = try self.shards(connection)
                (isSettled, shards) = (found > 0 && found == shards, found)
            }
            turn += 1
            var counts = Counts()
            counts.ready = shards > 0 ? 0 : nil
            for shard in 0..<shards {
                counts.ready? += try connection.inspectQueue(Topology.queue(shard)).messages
            }
            counts.dead = try depth(Topology.dead, connection)
            let before = state.withLock { state in
                defer { state = State(counts: counts) }
                return state.counts.dead ?? 0
            }
            if let dead = counts.dead, dead > before {
                log.warning("messages are in the dead-letter queue", [.queue: Topology.dead, .count: dead])
            }
            succeeded()
            // Reads heartbeats of the broker.
            _ = try connection.poll()
        } while !stop.wait(ms: QueueDepths.intervalMs)
    }

    /// Counts the queues of the scanners.
    private func shards(_ connection: AMQPConnection) throws -> Int {
        var count = 0
        while count < IngestSettings.shardsRange.upperBound, try depth(Topology.queue(count), connection) != nil {
            count += 1
        }
        return count
    }

    /// Returns the ready messages of a queue; `nil` if it does not exist.
    private func depth(_ queue: String, _ connection: AMQPConnection) throws(AMQPError) -> Int? {
        do throws(AMQPError) { return try connection.inspectQueue(queue).messages } catch {
            guard error.kind == .channelClosed(code: 404) else { throw error }
            return nil
        }
    }
}
