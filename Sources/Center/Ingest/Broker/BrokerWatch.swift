import AMQP
import BrokerAPI
import ErrorModel
import LinuxSystem
import Postgres
package import Runtime

/// Looks at the start and each hour for signs that the broker removes confirmed scans.
///
/// An operator's policy can give the shard queues a time limit or another overflow, whatever their arguments. The check
/// needs no tool of the broker. It reads message counters by AMQP, and the policies themselves where the management API
/// responds.
package struct BrokerWatch: Sendable {
    /// Interval of the checks, in milliseconds.
    static let intervalMs = 3_600_000
    /// Interval between the first and the second check, in milliseconds. The management API knows the policies of a new
    /// queue only after some seconds.
    static let secondCheckMs = 60_000
    /// Maximum wait for the confirm of the canary, in milliseconds.
    static let confirmMs: Int64 = 10_000

    /// Number of distinct errors that are logged as warnings.
    private static let warningLimit = 20

    /// Key of the advisory lock of a check.
    private static let lockKey: Int64 = 0x5450_4c4e_0015

    private let settings: IngestSettings
    private let metrics: BrokerMetrics
    private let log = Log("broker")

    /// Creates the watch. It starts when its service runs.
    ///
    /// - Parameters:
    ///   - settings: servers of the ingestion.
    ///   - metrics: where the watch registers its metrics.
    package init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        self.metrics = BrokerMetrics(metrics)
    }

    /// Returns the service to run. It never throws: a failed check is repeated with back-off.
    package func service() -> Service {
        .thread("broker-watch", stackBytes: AMQPConnection.stackBytes) { stop in
            var backoff = Backoff(baseMs: 1_000, capMs: 60_000)
            var attempt = 0
            var isFirst = true
            var warned: Set<String> = []
            while !stop.isStopped {
                do {
                    try check(broker: attempt, isFirst: isFirst, interrupt: stop.descriptor)
                    backoff.reset()
                    stop.wait(ms: isFirst ? BrokerWatch.secondCheckMs : BrokerWatch.intervalMs)
                    isFirst = false
                } catch {
                    attempt += 1
                    // The ingestion reports a server that is unavailable.
                    let isReported = (error as? any OperationError)?.category == .unavailable && !(error is IngestError)
                    let isNew = warned.count < BrokerWatch.warningLimit && warned.insert("\(error)").inserted
                    if isNew, !isReported {
                        log.warning("broker not checked, will retry", [.error: "\(error)"])
                    } else {
                        log.debug("broker not checked, will retry", [.error: "\(error)"])
                    }
                    stop.wait(ms: backoff.nextDelayMs())
                }
            }
        }
    }

    /// Checks the broker once, logs the warnings and stores them.
    ///
    /// - Parameters:
    ///   - index: selects the broker node among those of the settings.
    ///   - isFirst: whether it is the first check of this center, which replaces the canary.
    ///   - interrupt: a descriptor that ends the connection attempt when it becomes readable; -1 for none.
    /// - Returns: the warnings.
    /// - Throws: `AMQPError`, `PostgresError`, or `IngestError.consumerLost` without a confirm of the broker.
    @discardableResult
    package func check(broker index: Int = 0, isFirst: Bool = false, interrupt: Int32 = -1) throws -> [BrokerWarning] {
        let database = try PostgresConnection(
            url: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs,
            applicationName: "tapline-center broker watch")
        // Until the connection ends: another center must not look while the canary is replaced.
        try database.query("SELECT pg_advisory_lock($1)", [.int64(BrokerWatch.lockKey)])
        let table = BrokerCheckTable(connection: database)
        let shards = try Topology.shards(database, wanted: settings.shards)
        var findings = BrokerFindings(canary: try table.canary())
        let address = settings.brokers[index % settings.brokers.count]
        let connection = try AMQPConnection(address, name: "tapline-center broker watch", interrupt: interrupt)
        defer { connection.close() }
        findings.outdated = try Topology.declare(connection, shards: shards, centers: settings.instance.count)
        if try !Topology.declareCanary(connection) {
            // A queue without a delivery limit. It holds nothing but the canary.
            try table.forgetCanary(lostAfterMicros: findings.canary.lostAfterMicros)
            findings.canary = try table.canary()
            try connection.deleteQueue(Topology.canary)
            _ = try Topology.declareCanary(connection)
        }
        findings.deadLetters = try connection.declareQueue(Topology.dead, passive: true).messages
        let messages = try connection.declareQueue(Topology.canary, passive: true).messages
        let nowMicros = SystemClock.nowMicroseconds()
        if findings.canary.record(messages: messages, nowMicros: nowMicros, isFirst: isFirst) {
            try table.forgetCanary(lostAfterMicros: findings.canary.lostAfterMicros)
            try placeCanary(connection)
        }
        findings.policies = policies(address, shards: shards)
        try table.write(findings)
        let warnings = findings.warnings
        metrics.warnings.set(warnings.count)
        for warning in warnings {
            log.warning("broker can remove confirmed scans", [.queue: warning.queue, .detail: warning.text])
        }
        return warnings
    }

    /// Returns the warnings about the policies of the shard queues; none where the management API is not readable.
    private func policies(_ address: AMQPAddress, shards: Int) -> [BrokerWarning] {
        guard let management = ManagementAPI(address, port: settings.managementPort) else { return [] }
        var warnings: [BrokerWarning] = []
        do {
            for queue in (0..<shards).map(Topology.queue) {
                guard let policy = try management.policy(of: queue, virtualHost: address.virtualHost)
                else {
                    log.info("policies of the broker are not readable", [.detail: "the management API denies it"])
                    break
                }
                warnings += policy.warnings(queue: queue)
            }
        } catch {
            log.info("policies of the broker are not readable", [.detail: "\(error)"])
        }
        return warnings
    }

    private func placeCanary(_ connection: AMQPConnection) throws {
        // A new queue, because a message expires only at the head of its queue.
        try connection.deleteQueue(Topology.canary)
        _ = try Topology.declareCanary(connection)
        try connection.confirmSelect()
        try connection.publish(
            exchange: Topology.canary, routingKey: "", mandatory: true,
            properties: AMQPProperties(contentType: "text/plain", userID: connection.user, deliveryMode: 2),
            body: Array("This message must stay here: tapline-center checks that the broker keeps it.\n".utf8))
        let deadline = SystemClock.monotonicMs() + BrokerWatch.confirmMs
        while true {
            for event in try connection.poll() {
                switch event {
                case .confirmed: return
                case .nacked, .returned, .channelClosed, .connectionClosed:
                    throw IngestError.consumerLost("the broker does not keep a message in \(Topology.canary)")
                default: break
                }
            }
            guard SystemClock.monotonicMs() < deadline else {
                throw IngestError.consumerLost("the broker confirms no message in \(Topology.canary)")
            }
            _ = Poll.wait([connection.descriptor], timeoutMs: IngestConsumer.pollMs)
        }
    }
}

/// The metrics of the watch, described in docs/reference/metrics.md.
private struct BrokerMetrics: Sendable {
    let warnings: Gauge

    init(_ metrics: Metrics) {
        warnings = metrics.gauge(
            "tapline_broker_warnings", "Signs that the broker removes confirmed scans, at the last check.")
    }
}
