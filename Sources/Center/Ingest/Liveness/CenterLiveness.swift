import Postgres
package import Runtime
import Synchronization

/// Records every few seconds that this center runs, and whether it consumes the queues of the broker.
///
/// `tapline.center_state` tells a stopped center from silent scanners by these rows. The service also marks the
/// snapshot that the center serves as published, and counts the scanners by condition.
package final class CenterLiveness: Sendable {
    /// The folder of snapshots that a center serves.
    package struct ServedSnapshots: Sendable {
        let folder: String
        let version: @Sendable () -> Int64?

        /// - Parameters:
        ///   - folder: canonical path of the folder.
        ///   - version: returns the version that the folder's manifest names; `nil` without one.
        package init(folder: String, version: @escaping @Sendable () -> Int64?) {
            self.folder = folder
            self.version = version
        }
    }

    /// Interval of the records, in milliseconds. The database regards a center as gone after 15 s without one.
    static let intervalMs = 3_000
    /// Interval at which a center without a broker looks whether it has one, in milliseconds. It records that at once.
    private static let listeningCheckMs = 50
    /// Number of records between two counts of the scanners.
    private static let countEvery = 5
    /// Maximum length of a recorded problem, in characters.
    private static let problemLimit = 500
    /// Maximum duration of a statement, in milliseconds.
    private static let statementTimeoutMs = 5_000

    private let databaseURL: String
    private let name: String
    private let isListening: @Sendable () -> Bool
    private let served: ServedSnapshots?
    private let snapshotProblem: @Sendable () -> String?
    private let deadLetters: @Sendable () -> Int?
    private let conditions: [(name: String, gauge: Gauge)]
    private let log = Log("liveness")
    private let hasListened = Atomic(false)

    /// What is missing before the views show a center that runs; empty after the first such record.
    ///
    /// A center is ready only then. Otherwise `status` would tell that no center runs, just after it has started.
    package var problems: [(name: String, problem: String)] {
        hasListened.load(ordering: .acquiring) ? [] : [("liveness", "not recorded yet")]
    }

    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - instance: the number of this center.
    ///   - served: the folder that scanners download from; `nil` without one.
    ///   - metrics: where the numbers of scanners are registered.
    ///   - snapshotProblem: returns why this center cannot publish snapshots; `nil` if it can. It must not block.
    ///   - deadLetters: returns the number of messages in the queue of dead letters; `nil` while it is unknown. It must
    ///     not block.
    ///   - isListening: whether the queues of the broker are consumed. It must not block.
    package init(
        databaseURL: String, instance: CenterInstance, served: ServedSnapshots? = nil, metrics: Metrics,
        snapshotProblem: @escaping @Sendable () -> String? = { nil },
        deadLetters: @escaping @Sendable () -> Int? = { nil }, isListening: @escaping @Sendable () -> Bool
    ) {
        self.databaseURL = databaseURL
        name = "\(instance)"
        self.isListening = isListening
        self.served = served
        self.snapshotProblem = snapshotProblem
        self.deadLetters = deadLetters
        conditions = ScannerConditions.all.map { condition in
            let label = condition.lowercased().split(separator: " ").joined(separator: "-")
            return (
                condition,
                metrics.gauge("tapline_scanners{condition=\"\(label)\"}", "Enrolled scanners, by their condition.")
            )
        }
    }

    /// Returns the service to run. It never throws: a failure is logged once and retried.
    package func service() -> Service {
        .thread("liveness") { [self] stop in
            var problem: String?
            var backoff = Backoff(baseMs: 500, capMs: CenterLiveness.intervalMs)
            var hasBegun = false
            while !stop.isStopped {
                do {
                    let connection = try PostgresConnection(
                        url: databaseURL, statementTimeoutMs: CenterLiveness.statementTimeoutMs,
                        applicationName: "tapline-center liveness")
                    if !hasBegun { try begin(on: connection) }
                    hasBegun = true
                    try record(on: connection, until: stop) {
                        backoff.reset()
                        problem = nil
                    }
                } catch {
                    if problem != "\(error)" {
                        log.warning("liveness not recorded, will retry", [.error: CenterLiveness.explained(error)])
                    }
                    problem = "\(error)"
                    stop.wait(ms: backoff.nextDelayMs())
                }
            }
        }
    }

    /// A pooler without a free connection accepts the client and does not answer. Adds what is needed then.
    static func explained(_ error: any Error) -> String {
        guard (error as? PostgresError)?.code == .deadline else { return "\(error)" }
        return "\(error); with a pooler, its pool needs about 10 connections for each center"
    }

    /// Forgets when the last run of this center listened. Otherwise a run that starts within 15 s continues its time.
    private func begin(on connection: PostgresConnection) throws {
        try connection.query(
            "UPDATE tapline_internal.centers SET listened_at = NULL, listening_since = NULL WHERE name = $1",
            [.text(name)])
    }

    private func record(on connection: PostgresConnection, until stop: StopSignal, succeeded: () -> Void) throws {
        var turn = 0
        var marked: Int64?
        var recordedProblem: String??
        var countProblem: String?
        var listens: Bool
        repeat {
            listens = isListening()
            try connection.query(
                "SELECT tapline_internal.center_is_alive($1, $2, $3, $4)",
                [
                    .text(name), .bool(listens), served.map { .text($0.folder) } ?? .null,
                    deadLetters().map { .int64(Int64($0)) } ?? .null,
                ])
            if listens { hasListened.store(true, ordering: .releasing) }
            if let version = served?.version(), version != marked {
                try markPublished(version, connection)
                marked = version
            }
            let problem = snapshotProblem().map { String($0.prefix(CenterLiveness.problemLimit)) }
            if recordedProblem != .some(problem) {
                try connection.query(
                    "UPDATE tapline_internal.centers SET snapshot_problem = $2 WHERE name = $1",
                    [.text(name), problem.map { .text($0) } ?? .null])
                recordedProblem = .some(problem)
            }
            if turn % CenterLiveness.countEvery == 0 {
                // A slow count must not stop the records. A lost connection fails the next record.
                do {
                    try count(connection)
                    countProblem = nil
                } catch {
                    if countProblem != "\(error)" { log.warning("scanners not counted", [.error: "\(error)"]) }
                    countProblem = "\(error)"
                }
            }
            turn += 1
            succeeded()
        } while !wait(stop, listens: listens)
        try connection.query("UPDATE tapline_internal.centers SET stopped = true WHERE name = $1", [.text(name)])
    }

    /// Waits until the next record is due.
    ///
    /// - Parameter listens: what the last record told.
    /// - Returns: whether the service must end.
    private func wait(_ stop: StopSignal, listens: Bool) -> Bool {
        guard !listens else { return stop.wait(ms: CenterLiveness.intervalMs) }
        for _ in 0..<CenterLiveness.intervalMs / CenterLiveness.listeningCheckMs {
            if stop.wait(ms: CenterLiveness.listeningCheckMs) { return true }
            if isListening() { return false }
        }
        return false
    }

    /// A manifest may reach the folder on another way than by an export into it.
    private func markPublished(_ version: Int64, _ connection: PostgresConnection) throws {
        try connection.query(
            "UPDATE tapline.snapshots SET published_at = now() WHERE version = $1 AND published_at IS NULL",
            [.int64(version)])
    }

    private func count(_ connection: PostgresConnection) throws {
        let rows = try connection.query("SELECT condition, count(*) FROM tapline.scanner_health GROUP BY condition")
        var counts: [String: Int] = [:]
        for row in 0..<rows.rowCount { counts[rows.text(row, 0)] = Int(rows.int(row, 1)) }
        for condition in conditions { condition.gauge.set(counts[condition.name] ?? 0) }
    }
}

/// The conditions of a scanner, as `tapline_internal.scanner_conditions` lists them.
package enum ScannerConditions {
    /// All conditions, the worst first.
    package static let all = [
        "NEVER HEARD", "SILENT", "NO CENTER", "AWAITED", "LANE DOWN", "READER", "TURNSTILE", "CLOSED", "FREE", "DISK",
        "CLOCK", "ALARM", "GAPS", "OUTDATED", "UNREPORTED", "ok", "disabled",
    ]
}
