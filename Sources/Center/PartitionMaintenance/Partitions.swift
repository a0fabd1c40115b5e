import LinuxSystem
package import Postgres
package import Runtime

/// Makes partitions ahead, turns to the next one, closes those whose journals are over, and drops the old ones. Confined to
/// its connection's thread.
package struct Partitions {
    static let tickMs = 30_000

    private let connection: PostgresConnection
    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics
    private let log = Log("scan-partitions")

    package init(_ connection: PostgresConnection, _ settings: MaintenanceSettings, _ metrics: MaintenanceMetrics) {
        (self.connection, self.settings, self.metrics) = (connection, settings, metrics)
    }

    /// Does what is to be done; gives the milliseconds until it is worth a look again.
    package func step(_ stop: StopSignal) throws -> Int {
        try connection.execute("SET lock_timeout = '5s'; SET vacuum_cost_delay = '2ms'")
        try makeAhead()
        if try connection.query("SELECT tapline_internal.rotate_scan_partition()").bool(0, 0) { log.info("turned") }
        for name in try finished() where !stop.isStopped { try close(name) }
        if let keepDays = settings.keepDays, !stop.isStopped { try retire(keepDays, stop) }
        return Partitions.tickMs
    }

    /// The partition of the next journal and two more: one more than the trigger of a new journal asks for, so that no
    /// transaction of the ingest ever makes one.
    package func makeAhead() throws(PostgresError) {
        try connection.query(
            """
            SELECT tapline_internal.ensure_scan_partition(
                tapline_internal.ensure_scan_partition(tapline_internal.ensure_scan_partition(last_value)))
            FROM tapline.journals_id_seq
            """)
    }

    private func finished() throws(PostgresError) -> [String] {
        let rows = try connection.query(
            """
            SELECT name FROM tapline.scan_partition_state
            WHERE closed_at IS NULL AND retired_at IS NULL AND is_full
                AND (unfinished = 0 OR unfinished_heard_at < now() - $1 * interval '1 hour')
            """, [.int32(Int32(settings.silentJournalHours))])
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }

    /// Each statement stands alone: none of them may run in a transaction, or should hold its lock while the next one works.
    private func close(_ name: String) throws(PostgresError) {
        let start = SystemClock.monotonicMs()
        let (table, index) = (connection.identifier(name), connection.identifier(name + "_tag"))
        let known = try connection.query(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tapline_internal.' || $1)", [.text(index)])
        let isThere = known.rowCount == 1 && known.bool(0, 0)
        // Waits for whoever reads or writes the partition, and keeps nobody waiting.
        try connection.execute("SET lock_timeout = 0")
        if known.rowCount == 1, !isThere { try connection.execute("DROP INDEX CONCURRENTLY tapline_internal.\(index)") }
        if !isThere {
            // One core is the ingest's.
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
        log.info("closed", [.name: name, .durationMs: SystemClock.monotonicMs() - start])
    }

    /// What cannot be dropped now is looked at again the next time.
    private func retire(_ keepDays: Int, _ stop: StopSignal) throws {
        let retention = Retention(connection, silentJournalHours: settings.silentJournalHours)
        for old in try retention.survey(keepDays: keepDays) where old.obstacle == nil && !stop.isStopped {
            guard let scans = try retention.drop(old, keepDays: keepDays) else { continue }
            metrics.retired.add(scans)
            log.info("retired", [.name: old.name, .count: scans])
        }
    }
}
