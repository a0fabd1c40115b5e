import LinuxSystem
import Postgres
import Runtime

/// Makes partitions ahead, rotates to the next one, and closes those whose journals are finished. Confined to its
/// connection's thread.
struct Partitions {
    /// Pause between two steps, in milliseconds.
    static let pauseMs = 30_000
    /// Size of a run in the table and its indexes without the columns of its scans, in bytes.
    private static let rowBytes = 400
    /// A partition is not rewritten for fewer bytes.
    private static let rewriteMinimumBytes: Int64 = 1 << 20
    /// A partition that needs more bytes is not rewritten: late scans for it wait until the end.
    private static let rewriteLimitBytes: Int64 = 64 << 20

    /// What a step tells the next one.
    struct Memory: Sendable {
        /// Names of the partitions that are worth rewriting and were in use. So the next steps need not read them for
        /// their size.
        var inUse: Set<String> = []
    }

    private let connection: PostgresConnection
    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics
    private let log = Log("scan-partitions")

    /// - Parameters:
    ///   - connection: used by these calls only.
    ///   - settings: the limits for closing partitions.
    ///   - metrics: receives the results.
    init(_ connection: PostgresConnection, _ settings: MaintenanceSettings, _ metrics: MaintenanceMetrics) {
        self.connection = connection
        self.settings = settings
        self.metrics = metrics
    }

    /// Performs the due work.
    ///
    /// - Parameters:
    ///   - memory: of the steps before.
    ///   - stop: ends the step after the current partition.
    /// - Returns: the pause until the next call, in milliseconds.
    /// - Throws: `PostgresError`. The work is repeated by the next call.
    func step(_ memory: inout Memory, _ stop: StopSignal) throws -> Int {
        try connection.execute("SET lock_timeout = '5s'; SET vacuum_cost_delay = '2ms'")
        try makeAhead()
        if try connection.query("SELECT tapline_internal.rotate_scan_partition()").bool(0, 0) {
            log.info("partition rotated")
        }
        let finished = try finished()
        // A dropped partition is not in use.
        memory.inUse.formIntersection(finished.map(\.name))
        for partition in finished where !stop.isStopped { try close(partition, &memory, stop) }
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

    /// A partition that can be closed.
    private struct Finished {
        let name: String
        let journals: Range<Int64>
    }

    /// Returns the open partitions whose journals are finished.
    private func finished() throws(PostgresError) -> [Finished] {
        let rows = try connection.query(
            """
            SELECT name, first_journal, end_journal FROM tapline.scan_partition_state
            WHERE closed_at IS NULL AND retired_at IS NULL AND is_full
                AND (unfinished = 0 OR unfinished_heard_at < now() - $1 * interval '1 hour')
            """, [.int32(Int32(settings.silentJournalHours))])
        return (0..<rows.rowCount).map {
            Finished(name: rows.text($0, 0), journals: rows.int($0, 1)..<rows.int($0, 2))
        }
    }

    /// Joins the small runs of a partition, indexes it by tag and freezes it.
    ///
    /// No transaction: CREATE INDEX CONCURRENTLY and VACUUM may not run in one. No statement should hold its locks
    /// during the next one.
    private func close(_ partition: Finished, _ memory: inout Memory, _ stop: StopSignal) throws {
        let (name, start) = (partition.name, SystemClock.monotonicMs())
        let (table, index) = (connection.identifier(name), connection.identifier(name + "_tags"))
        try RunJoiner(connection, metrics).joinAll(partition.journals, stop)
        guard !stop.isStopped, try compact(name, &memory) else { return }
        let known = try connection.query(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tapline_partitions.' || $1)",
            [.text(index)])
        let isIndexed = known.rowCount == 1 && known.bool(0, 0)
        // Waits for readers and writers of the partition without blocking new ones.
        try connection.execute("SET lock_timeout = 0")
        if known.rowCount == 1, !isIndexed {
            try connection.execute("DROP INDEX CONCURRENTLY tapline_partitions.\(index)")
        }
        if !isIndexed {
            // Leaves the other cores to the ingestion.
            try connection.execute("SET max_parallel_maintenance_workers = 0")
            try connection.execute("CREATE INDEX CONCURRENTLY \(index) ON tapline_partitions.\(table) USING gin (tags)")
        }
        try connection.execute("VACUUM (ANALYZE, FREEZE) tapline_partitions.\(table)")
        try connection.execute("SET lock_timeout = '5s'")
        try connection.execute("ALTER TABLE tapline_partitions.\(table) RESET (autovacuum_vacuum_insert_threshold)")
        try connection.query(
            "UPDATE tapline_internal.scan_partitions SET closed_at = now() WHERE name = $1", [.text(name)])
        metrics.closed.add()
        log.info("partition closed", [.name: name, .durationMs: SystemClock.monotonicMs() - start])
    }

    /// Rewrites a partition that consists mostly of the remains of small runs. An index of small runs is many times
    /// larger than the scans, and VACUUM does not make it smaller.
    ///
    /// Readers of the partition and late scans for it wait for the rewriting. So a partition that stays large is not
    /// rewritten.
    ///
    /// - Returns: `false` if the partition is in use. It is then closed later.
    private func compact(_ name: String, _ memory: inout Memory) throws(PostgresError) -> Bool {
        if !memory.inUse.contains(name), try !isWorthRewriting(name) { return true }
        do {
            try connection.execute("SET lock_timeout = \(Retention.lockMs)")
            try connection.execute("VACUUM (FULL) tapline_partitions.\(connection.identifier(name))")
            memory.inUse.remove(name)
            return true
        } catch  where error.sqlState == "55P03" {
            memory.inUse.insert(name)
            return false
        }
    }

    /// Returns whether a partition consists mostly of remains, and is small enough. Reads its table, without the
    /// columns that are stored out of line.
    private func isWorthRewriting(_ name: String) throws(PostgresError) -> Bool {
        let (table, index) = (connection.identifier(name), connection.identifier(name + "_tags"))
        // An earlier step may have built the index of the tags and not closed the partition.
        let size = try connection.query(
            """
            SELECT pg_total_relation_size(('tapline_partitions.' || $1)::regclass)
                - coalesce(pg_total_relation_size(to_regclass('tapline_partitions.' || $2)), 0),
                coalesce(sum(\(Partitions.rowBytes)
                    + octet_length(verdicts) + octet_length(flags) + octet_length(tag_filter) + pg_column_size(at_ms)
                    + pg_column_size(tags) + coalesce(pg_column_size(received_us), 0)), 0)::bigint
            FROM tapline_partitions.\(table)
            """, [.text(table), .text(index)])
        let (bytes, needed) = (size.int(0, 0), size.int(0, 1))
        return bytes > 2 * needed + Partitions.rewriteMinimumBytes && needed <= Partitions.rewriteLimitBytes
    }
}
