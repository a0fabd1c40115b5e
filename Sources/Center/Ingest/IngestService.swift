public import AMQP
public import Runtime
import Synchronization
import Tracking

/// What the ingest needs to know.
public struct IngestSettings: Sendable {
    /// Tried in turn.
    public var brokers: [AMQPAddress]
    /// As libpq takes it.
    public var databaseURL: String
    /// Number of queues; nil: as it is, 4 at first.
    public var shards: Int?
    /// Users that may publish for any scanner.
    public var relayUsers: Set<String>
    /// So long the deliveries in hand are held when the database is away; then they are given back to the broker, which
    /// would take them by force after 30 minutes (`consumer_timeout`).
    public var databaseAwayLimitMs: Int
    /// The server's limit on one statement; a COMMIT gets a little more before its socket is closed.
    public var statementTimeoutMs: Int
    /// Lanes side by side, each a connection to the broker with its share of the queues and a connection to the database.
    public var writers: Int
    /// Which of several centers on the same queues this is.
    public var place = CenterPlace()
    /// How often each queue is looked at: one that holds messages and delivers none is not to be trusted.
    public var queueLookMs = 30_000

    public static let writersRange = 1...16
    /// One more waits for the disk while one works; PostgreSQL fills two cores by then.
    public static let defaultWriters = 2
    public static let shardsRange = 1...1_024
    /// Less than the broker's limit by a safe margin, for it looks at its clock once a minute.
    public static let databaseAwayRangeS = 1...1_500

    public init(
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
public final class Ingest: Sendable {
    public let health: IngestHealth
    private let settings: IngestSettings
    private let metrics: IngestMetrics
    private let tracker: Tracker

    public init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        health = IngestHealth(lanes: settings.writers)
        self.metrics = IngestMetrics(metrics, health: health)
        tracker = Tracker(
            databaseURL: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs, metrics: metrics)
    }

    /// Told to stop, each lane finishes the group in hand, acknowledges it, and closes; then the tracker tracks what it has.
    /// Throws `ProgramError` for what no retry heals: a number of shards below what there is.
    public func service() -> Service {
        Service("ingest") { [self] stop in
            let trackerStop = StopSignal()
            let tracking = PlainThread("tracker") { [tracker] in tracker.run(trackerStop) }
            let failure = IngestFailure()
            let lanes = (0..<settings.writers).flatMap { lane($0, failure, stop) }
            for thread in lanes { await thread.end() }
            trackerStop.stop()
            await tracking.end()
            if let error = failure.error { throw error }
        }
    }

    private func lane(_ index: Int, _ failure: IngestFailure, _ stop: StopSignal) -> [PlainThread] {
        let link = IngestLink(lane: index)
        let health = health.lane(index)
        return [
            PlainThread("ingest-writer") { [self] in
                IngestWriter(settings, link, health, metrics, tracker, failure, stop).run()
                link.writerEnded.stop()
            },
            PlainThread("ingest") { [self] in IngestConsumer(settings, link, health, metrics, stop).run() },
        ]
    }
}

/// What no retry heals, told by any lane and ending all.
final class IngestFailure: Sendable {
    private let first = Mutex<ProgramError?>(nil)

    func tell(_ error: ProgramError) { first.withLock { $0 = $0 ?? error } }
    var error: ProgramError? { first.withLock { $0 } }
}
