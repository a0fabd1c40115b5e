import LinuxSystem
import Postgres
import Runtime

/// Makes partitions ahead, rotates to the next one, closes those whose journals are finished, and drops old ones.
/// Confined to its connection's thread.
struct Partitions {
    /// Pause between two steps, in milliseconds.
    static let pauseMs = 30_000

    private let connection: PostgresConnection
    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics
    private let log = Log("scan-partitions")

    /// - Parameters:
    ///   - connection: used by these calls only.
    ///   - settings: the limits for closing and dropping partitions.
    ///   - metrics: receives the results.
    init(_ connection: PostgresConnection, _ settings: MaintenanceSettings, _ metrics: MaintenanceMetrics) {
        self.connection = connection
        self.settings = settings
        self.metrics = metrics
    }

    /// Performs the due work.
    ///
    /// - Parameter stop: ends the step after the current partition.
    /// - Returns: the pause until the next call, in milliseconds.
    /// - Throws: `PostgresError`. The work is repeated by the next call.
    func step(_ stop: StopSignal) throws -> Int {
        try connection.execute("SET lock_timeout = '5s'; SET vacuum_cost_delay = '2ms'")
        try makeAhead()
        if try connection.query("SELECT tapline_internal.rotate_scan_partition()").bool(0, 0) {
            log.info("partition rotated")
        }
        for name in try finished() where !stop.isStopped { try close(name) }
        if let keepDays = settings.keepDays, !stop.isStopped { try retire(keepDays, stop) }
        return Partitions.pauseMs
    }

    /// Makes the partition of the next journal and two more. The trigger of a new journal needs one fewer, so no store
    /// transaction makes a partition.
    ///
    /// - Throws: `PostgresError`. The next call repeats the work.
    func makeAhead() throws(PostgresError) {
        try connection.query(
            """
            SELECT tapline_internal.ensure_scan_partition(
                tapline_internal.ensure_scan_partition(tapline_internal.ensure_scan_partition(last_value)))
            FROM tapline.journals_id_seq
            """)
    }

    /// Returns the open partitions whose journals are finished.
    private func finished() throws(PostgresError) -> [String] {
        let rows = try connection.query(
            """
            SELECT name FROM tapline.scan_partition_state
            WHERE closed_at IS NULL AND retired_at IS NULL AND is_full
                AND (unfinished = 0 OR unfinished_heard_at < now() - $1 * interval '1 hour')
            """, [.int32(Int32(settings.silentJournalHours))])
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }

    /// Indexes a partition by tag and freezes it.
    ///
    /// No transaction: CREATE INDEX CONCURRENTLY and VACUUM may not run in one. No statement should hold its locks
    /// during the next one.
    private func close(_ name: String) throws(PostgresError) {
        let start = SystemClock.monotonicMs()
        let (table, index) = (connection.identifier(name), connection.identifier(name + "_tag"))
        let known = try connection.query(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tapline_internal.' || $1)", [.text(index)])
        let isIndexed = known.rowCount == 1 && known.bool(0, 0)
        // Waits for readers and writers of the partition without blocking new ones.
        try connection.execute("SET lock_timeout = 0")
        if known.rowCount == 1, !isIndexed {
            try connection.execute("DROP INDEX CONCURRENTLY tapline_internal.\(index)")
        }
        if !isIndexed {
            // Leaves the other cores to the ingestion.
            try connection.execute("SET max_parallel_maintenance_workers = 0")
            try connection.execute(
                "CREATE INDEX CONCURRENTLY \(index) ON tapline_internal.\(table) (tag_id) WITH (fillfactor = 100)")
        }
        try connection.execute("VACUUM (ANALYZE, FREEZE) tapline_internal.\(table)")
        try connection.execute("SET lock_timeout = '5s'")
        try connection.execute("ALTER TABLE tapline_internal.\(table) RESET (autovacuum_enabled)")
        try connection.query(
            "UPDATE tapline_internal.scan_partitions SET closed_at = now() WHERE name = $1", [.text(name)])
        metrics.closed.add()
        log.info("partition closed", [.name: name, .durationMs: SystemClock.monotonicMs() - start])
    }

    /// Drops the partitions that are old enough. One that is in use is tried again at the next step.
    private func retire(_ keepDays: Int, _ stop: StopSignal) throws {
        let retention = Retention(connection, silentJournalHours: settings.silentJournalHours)
        for partition in try retention.candidates(keepDays: keepDays)
        where partition.obstacle == nil && !stop.isStopped {
            guard let scans = try retention.drop(partition, keepDays: keepDays) else { continue }
            metrics.retired.add(scans)
            log.info("partition dropped", [.name: partition.name, .count: scans])
        }
    }
}
