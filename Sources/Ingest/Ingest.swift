public import AMQP
public import Runtime

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
    /// Which of several centers on the same queues this is.
    public var place = CenterPlace()
    /// How often each queue is looked at: one that holds messages and delivers none is not to be trusted.
    public var queueLookMs = 30_000

    public static let shardsRange = 1...1_024
    /// Less than the broker's limit by a safe margin, for it looks at its clock once a minute.
    public static let databaseAwayRangeS = 1...1_500

    public init(
        brokers: [AMQPAddress], databaseURL: String, shards: Int? = nil, relayUsers: Set<String> = [],
        databaseAwayLimitMs: Int = 600_000, statementTimeoutMs: Int = 60_000
    ) {
        precondition(!brokers.isEmpty, "no broker")
        (self.brokers, self.databaseURL, self.shards) = (brokers, databaseURL, shards)
        (self.relayUsers, self.databaseAwayLimitMs) = (relayUsers, databaseAwayLimitMs)
        self.statementTimeoutMs = statementTimeoutMs
    }
}

/// Takes the batches from the broker and stores every scan exactly once: one thread consumes and acknowledges, another
/// decodes, stores and commits. Either server may go and come back; both are connected to again, for ever, with back-off.
public final class Ingest: Sendable {
    public let health = IngestHealth()
    private let settings: IngestSettings
    private let metrics: IngestMetrics

    public init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        self.metrics = IngestMetrics(metrics, health: health)
    }

    /// Told to stop, it finishes the group in hand, acknowledges it, and closes. Throws `ProgramError` for what no retry
    /// heals: a number of shards below what there is.
    public func service() -> Service {
        Service.thread("ingest") { [self] stop in
            let link = IngestLink()
            PlainThread("ingest-writer") { [self] in
                IngestWriter(settings, link, health, metrics, stop).run()
                link.writerEnded.stop()
            }
            IngestConsumer(settings, link, health, metrics, stop).run()
            if let failure = link.failed { throw failure }
        }
    }
}
