package import AMQP
import CLI
package import Runtime
import Synchronization
import Tracking

/// What the ingest needs to know.
package struct IngestSettings: Sendable {
    /// Tried in turn.
    package var brokers: [AMQPAddress]
    /// As libpq takes it.
    package var databaseURL: String
    /// Number of queues; nil: as it is, 4 at first.
    package var shards: Int?
    /// Users that may publish for any scanner.
    package var relayUsers: Set<String>
    /// So long the deliveries in hand are held when the database is away; then they are given back to the broker, which
    /// would take them by force after 30 minutes (`consumer_timeout`).
    package var databaseAwayLimitMs: Int
    /// The server's limit on one statement; a COMMIT gets a little more before its socket is closed.
    package var statementTimeoutMs: Int
    /// Lanes side by side, each a connection to the broker with its share of the queues and a connection to the database.
    package var writers: Int
    /// Which of several centers on the same queues this is.
    package var place = CenterInstance()
    /// How often each queue is looked at: one that holds messages and delivers none is not to be trusted.
    package var queueLookMs = 30_000

    package static let writersRange = 1...16
    /// One more waits for the disk while one works; PostgreSQL fills two cores by then.
    package static let defaultWriters = 2
    package static let shardsRange = 1...1_024
    /// Less than the broker's limit by a safe margin, for it looks at its clock once a minute.
    package static let databaseAwayRangeS = 1...1_500

    package init(
        brokers: [AMQPAddress], databaseURL: String, shards: Int? = nil, relayUsers: Set<String> = [],
        databaseAwayLimitMs: Int = 600_000, statementTimeoutMs: Int = 60_000,
        writers: Int = IngestSettings.defaultWriters
    ) {
        precondition(!brokers.isEmpty, "no broker")
        precondition(IngestSettings.writersRange.contains(writers))
        (self.brokers, self.databaseURL, self.shards) = (brokers, databaseURL, shards)
        (self.relayUsers, self.databaseAwayLimitMs) = (relayUsers, databaseAwayLimitMs)
        (self.statementTimeoutMs, self.writers) = (statementTimeoutMs, writers)
    }
}

/// Takes the batches from the broker and stores every scan exactly once, in lanes side by side: on each, one thread consumes,
/// decodes and acknowledges, another stores and commits. A tracker follows them. Either server may go and come back; both
/// are connected to again, for ever, with back-off.
package final class IngestService: Sendable {
    package let health: IngestHealth
    private let settings: IngestSettings
    private let metrics: IngestMetrics
    private let tracker: Tracker

    package init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        health = IngestHealth(lanes: settings.writers)
        self.metrics = IngestMetrics(metrics, health: health)
        tracker = Tracker(
            databaseURL: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs, metrics: metrics)
    }

    /// Told to stop, each lane finishes the group in hand, acknowledges it, and closes; then the tracker tracks what it has.
    /// Throws `ProgramError` for what no retry heals: a number of shards below what there is.
    package func service() -> Service {
        Service("ingest") { [self] stop in
            let trackerStop = StopSignal()
            let tracking = NamedThread("tracker") { [tracker] in tracker.run(trackerStop) }
            let failure = IngestFailure()
            let lanes = (0..<settings.writers).flatMap { lane($0, failure, stop) }
            for thread in lanes { await thread.end() }
            trackerStop.stop()
            await tracking.end()
            if let error = failure.error { throw error }
        }
    }

    private func lane(_ index: Int, _ failure: IngestFailure, _ stop: StopSignal) -> [NamedThread] {
        let link = WorkerChannel(lane: index)
        let health = health.lane(index)
        return [
            NamedThread("ingest-writer") { [self] in
                IngestWriter(settings, link, health, metrics, tracker, failure, stop).run()
                link.writerEnded.stop()
            },
            NamedThread("ingest") { [self] in IngestConsumer(settings, link, health, metrics, stop).run() },
        ]
    }
}

/// What no retry heals, told by any lane and ending all.
final class IngestFailure: Sendable {
    private let first = Mutex<ProgramError?>(nil)

    func tell(_ error: ProgramError) { first.withLock { $0 = $0 ?? error } }
    var error: ProgramError? { first.withLock { $0 } }
}
