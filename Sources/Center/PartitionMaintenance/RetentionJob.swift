import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Drops old partitions while a center runs with `keepDays`. Used by one thread at a time.
final class RetentionJob: Sendable {
    private struct State {
        var wait = RetentionWait()
        /// What the database says; `nil` before the first step.
        var isAlarmRaised: Bool?
    }

    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics
    private let state = Mutex(State())
    private let log = Log("retention")

    init(_ settings: MaintenanceSettings, _ metrics: MaintenanceMetrics) {
        self.settings = settings
        self.metrics = metrics
    }

    /// Performs the due work. A partition that is in use is tried again at the next step.
    ///
    /// - Parameters:
    ///   - connection: used during the call only.
    ///   - stop: ends the step after the current partition.
    ///   - nowMs: monotonic clock, in milliseconds.
    ///   - centerMicros: returns the clock of the center, in microseconds since 1970-01-01 UTC.
    /// - Throws: `PostgresError`. The work is repeated by the next call.
    func step(
        _ connection: PostgresConnection, _ stop: StopSignal, nowMs: Int64 = SystemClock.monotonicMs(),
        centerMicros: @escaping @Sendable () -> Int64 = SystemClock.nowMicroseconds
    ) throws {
        guard let keepDays = settings.keepDays else { return try show(nil, connection) }
        let retention = Retention(
            connection, silentJournalHours: settings.silentJournalHours, centerMicros: centerMicros)
        let old = try retention.candidates(keepDays: keepDays).filter { $0.obstacle == nil }
        let clocks = try RetentionClocks(connection, centerMicros: centerMicros)
        let answer = state.withLock {
            $0.wait.look(old.map(\.name), clocks, keepDays: keepDays, nowMs: nowMs)
        }
        switch answer {
        case .wait: try show(nil, connection)
        case .blocked(let disagreement): try show(disagreement, connection)
        case .drop(let names):
            try show(nil, connection)
            for partition in old where names.contains(partition.name) && !stop.isStopped {
                guard let scans = try retention.drop(partition, keepDays: keepDays) else { continue }
                metrics.retired.add(scans)
                log.info("partition dropped", [.name: partition.name, .count: scans])
            }
        }
    }

    /// Raises the alarm of `tapline-center status`, or ends it with `nil`.
    private func show(_ problem: RetentionClocks.Disagreement?, _ connection: PostgresConnection) throws {
        let before = state.withLock { $0.isAlarmRaised }
        metrics.retentionBlocked.set(problem == nil ? 0 : 1)
        if let problem {
            try connection.query(
                """
                INSERT INTO tapline_internal.retention_alarm (detail) VALUES ($1)
                ON CONFLICT (singleton) DO UPDATE SET detail = excluded.detail
                """, [.text("\(problem)")])
            if before != true { log.error("old scans are not dropped: the clocks differ", [.detail: "\(problem)"]) }
        } else if before != false {
            try connection.execute("DELETE FROM tapline_internal.retention_alarm")
            if before == true { log.info("the clocks agree again") }
        }
        state.withLock { $0.isAlarmRaised = problem != nil }
    }
}
