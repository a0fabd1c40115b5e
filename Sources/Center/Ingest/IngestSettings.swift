package import AMQP
import BrokerAPI

/// The settings of the ingestion.
package struct IngestSettings: Sendable {
    /// Broker nodes, tried in turn. Not empty.
    package var brokers: [AMQPAddress]
    /// Connection string or URL, in libpq's format.
    package var databaseURL: String
    /// Number of queues; `nil` keeps the stored number (4 at the first start).
    package var shards: Int?
    /// Broker users that may publish for any scanner.
    package var relayUsers: Set<String>
    /// How long the unacknowledged deliveries are held while the database is unavailable, in milliseconds.
    ///
    /// After that they are requeued. The broker itself would close the channel after 30 minutes (`consumer_timeout`).
    package var databaseAwayLimitMs: Int
    /// The server's limit for one statement, in milliseconds. A COMMIT gets a little more before its socket is closed.
    package var statementTimeoutMs: Int
    /// Number of workers. Each has a broker connection, with its part of the queues, and a database connection.
    package var workers: Int
    /// The number of this center among several on the same queues.
    package var instance = CenterInstance()
    /// Interval at which each queue is checked, in milliseconds. A queue with ready messages and without deliveries has
    /// stalled.
    package var queueCheckMs = 30_000
    /// Port of the broker's management API, which is read if it answers.
    package var managementPort = ManagementAPI.defaultPort

    /// Valid values of `workers`.
    package static let workersRange = 1...16
    /// One worker waits for the disk while another one stores. With two, PostgreSQL uses two cores.
    package static let defaultWorkers = 2
    /// Valid values of `shards`.
    package static let shardsRange = 1...1_024
    /// Range of `databaseAwayLimitMs`, in seconds. Safely below the broker's limit, which it checks once a minute.
    package static let databaseAwayRangeS = 1...1_500

    /// Settings with defaults. `brokers` must not be empty, and `workers` must be in `workersRange`.
    ///
    /// - Parameters:
    ///   - brokers: broker nodes, tried in turn.
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - shards: number of queues; `nil` keeps the stored number.
    ///   - relayUsers: broker users that may publish for any scanner.
    ///   - databaseAwayLimitMs: limit for holding deliveries while the database is unavailable, in milliseconds.
    ///   - statementTimeoutMs: the server's limit for one statement, in milliseconds.
    ///   - workers: number of workers.
    package init(
        brokers: [AMQPAddress], databaseURL: String, shards: Int? = nil, relayUsers: Set<String> = [],
        databaseAwayLimitMs: Int = 600_000, statementTimeoutMs: Int = 60_000,
        workers: Int = IngestSettings.defaultWorkers
    ) {
        precondition(!brokers.isEmpty, "no broker")
        precondition(IngestSettings.workersRange.contains(workers))
        self.brokers = brokers
        self.databaseURL = databaseURL
        self.shards = shards
        self.relayUsers = relayUsers
        self.databaseAwayLimitMs = databaseAwayLimitMs
        self.statementTimeoutMs = statementTimeoutMs
        self.workers = workers
    }
}
