import LinuxSystem
package import Postgres

/// Drops old scans, one partition at a time.
///
/// The counts by minute of their time are dropped, too. The rows of their journals stay, with `retired_seq`. They prove the
/// balance, and distinguish repeated scans from new ones. `tapline.presence` is not changed.
package struct Retention {
    /// Lock timeout of a drop, in milliseconds. Store transactions queue behind a drop that waits for readers.
    static let lockMs = 500

    /// Why a partition that is old enough is kept. The description is for the user.
    package enum Obstacle: Sendable, Equatable, CustomStringConvertible {
        /// Number of gaps that are neither filled nor accepted as lost.
        case openGaps(Int64)
        /// Number of scans that the scanners of unfinished journals have not uploaded.
        case backlog(scans: Int64)
        /// Number of journals that can still grow.
        case unfinishedJournals(Int64)

        /// The number, and for gaps the SQL names that help.
        package var description: String {
            switch self {
            case .openGaps(let count): "\(count) gaps are open: see tapline.seq_gaps and tapline.accept_gap"
            case .backlog(let scans): "scanners still hold \(scans) scans"
            case .unfinishedJournals(let count): "\(count) journals are not finished"
            }
        }

        /// Returns the first obstacle, or `nil` without one.
        fileprivate static func first(gaps: Int64, backlog: Int64, unfinished: Int64) -> Obstacle? {
            if gaps > 0 { return .openGaps(gaps) }
            if backlog > 0 { return .backlog(scans: backlog) }
            return unfinished > 0 ? .unfinishedJournals(unfinished) : nil
        }
    }

    /// A partition that is old enough to be dropped.
    package struct Candidate: Sendable, Equatable {
        /// Name of the table, in the schema `tapline_partitions`.
        package let name: String
        /// The lowest journal row ID that the partition holds.
        package let firstJournal: Int64
        /// Number of stored scans.
        package let scans: Int
        /// Size of the table with its indexes, in bytes.
        package let bytes: Int
        /// Why it must not be dropped yet; `nil` if it may.
        package let obstacle: Obstacle?
    }

    private let connection: PostgresConnection
    private let silentJournalHours: Int
    private let centerMicros: () -> Int64

    /// Creates the retention of one database.
    ///
    /// - Parameters:
    ///   - connection: used by this value alone while a call is running.
    ///   - silentJournalHours: as in `MaintenanceSettings`.
    ///   - centerMicros: returns the clock of the center, in microseconds since 1970-01-01 UTC.
    package init(
        _ connection: PostgresConnection, silentJournalHours: Int = MaintenanceSettings().silentJournalHours,
        centerMicros: @escaping () -> Int64 = SystemClock.nowMicroseconds
    ) {
        self.connection = connection
        self.silentJournalHours = silentJournalHours
        self.centerMicros = centerMicros
    }

    /// Returns why nothing should be dropped; `nil` if the clocks agree.
    ///
    /// - Parameter keepDays: the same number as for `candidates`.
    /// - Throws: `PostgresError`.
    package func clockDisagreement(keepDays: Int) throws(PostgresError) -> RetentionClocks.Disagreement? {
        try RetentionClocks(connection, centerMicros: centerMicros).disagreement(keepDays: keepDays)
    }

    /// Returns the partitions whose journals had no batch for `keepDays` days, the oldest first.
    package func candidates(keepDays: Int) throws(PostgresError) -> [Candidate] {
        let rows = try connection.query(
            """
            SELECT name, first_journal, scans, bytes, gaps, unfinished_backlog,
                CASE WHEN unfinished_heard_at > now() - $2 * interval '1 hour' THEN unfinished ELSE 0 END
            FROM tapline.scan_partition_state
            WHERE retired_at IS NULL AND is_full AND coalesce(heard_at, created_at) < now() - $1 * interval '1 day'
            ORDER BY first_journal
            """, [.int32(Int32(keepDays)), .int32(Int32(silentJournalHours))])
        return (0..<rows.rowCount).map {
            Candidate(
                name: rows.text($0, 0), firstJournal: rows.int($0, 1), scans: Int(rows.int($0, 2)),
                bytes: Int(rows.int($0, 3)),
                obstacle: .first(gaps: rows.int($0, 4), backlog: rows.int($0, 5), unfinished: rows.int($0, 6)))
        }
    }

    /// Drops a partition.
    ///
    /// - Parameters:
    ///   - partition: as returned by `candidates`.
    ///   - keepDays: the same number as there.
    ///   - force: `true` ignores the obstacle, and clocks that do not agree.
    /// - Returns: the number of its scans; `nil` if it is in use, is no longer a candidate, or the clocks do not agree.
    /// - Throws: `PostgresError`. The partition is then unchanged.
    package func drop(_ partition: Candidate, keepDays: Int, force: Bool = false) throws -> Int? {
        do {
            return try connection.transaction {
                try connection.execute("SET LOCAL lock_timeout = \(Retention.lockMs)")
                guard let end = try lock(partition) else { return nil }
                // A store transaction with a new journal, not visible yet, commits first and is seen by the check
                // below.
                try connection.execute("LOCK TABLE tapline_internal.scan_runs IN ACCESS EXCLUSIVE MODE")
                guard
                    try candidates(keepDays: keepDays).contains(where: {
                        $0.firstJournal == partition.firstJournal && (force || $0.obstacle == nil)
                    }), try force || clockDisagreement(keepDays: keepDays) == nil
                else { return nil }
                let marked = try connection.query(
                    """
                    UPDATE tapline.journals SET retired_seq = last_seq, retired_at = now() WHERE id >= $1 AND id < $2
                    RETURNING stored
                    """, [.int64(partition.firstJournal), .int64(end)])
                for relation in ["tracking_queue", "annulled", "scan_notes", "scan_times", "lane_event_log"] {
                    try connection.query(
                        "DELETE FROM tapline_internal.\(relation) WHERE journal_id >= $1 AND journal_id < $2",
                        [.int64(partition.firstJournal), .int64(end)])
                }
                try replace(partition, end)
                try dropCounts(keepDays: keepDays)
                return (0..<marked.rowCount).reduce(0) { $0 + Int(marked.int($1, 0)) }
            }
        } catch let error as PostgresError where error.sqlState == "55P03" || error.isSerializationFailure {
            return nil
        }
    }

    /// Locks the rows of the journals first, then the partitions, then the tables: the order of the store transaction.
    ///
    /// - Returns: the first journal after the partition; `nil` if another session has dropped it.
    private func lock(_ partition: Candidate) throws(PostgresError) -> Int64? {
        try connection.query(
            """
            SELECT FROM tapline.journals j
            JOIN tapline_internal.scan_partitions p ON j.id >= p.first_journal AND j.id < p.end_journal
            WHERE p.name = $1 ORDER BY j.id FOR UPDATE OF j
            """, [.text(partition.name)])
        try connection.query("SELECT pg_advisory_xact_lock(hashtext('tapline.scans partition'))")
        let row = try connection.query(
            """
            SELECT end_journal FROM tapline_internal.scan_partitions WHERE name = $1 AND retired_at IS NULL FOR UPDATE
            """,
            [.text(partition.name)])
        return row.rowCount == 1 ? row.int(0, 0) : nil
    }

    /// Drops the counts of the minutes that `rebuild_flow` does not compare, because scans of them may be dropped.
    private func dropCounts(keepDays: Int) throws(PostgresError) {
        for relation in ["gate_flow", "refusal_flow"] {
            try connection.query(
                """
                DELETE FROM tapline_internal.\(relation) WHERE slot < now() - $1 * interval '1 day' AND slot < (
                    SELECT date_trunc('minute', max(last_received_at)) + interval '1 minute'
                    FROM tapline.journals WHERE retired_seq > 0)
                """, [.int32(Int32(keepDays))])
        }
    }

    /// Replaces a partition by an empty one, so that late scans of its journals can be stored. Adjacent partitions that
    /// were dropped and are empty are merged into it.
    private func replace(_ partition: Candidate, _ endJournal: Int64) throws(PostgresError) {
        var (first, end) = (partition.firstJournal, endJournal)
        try remove(partition.name)
        let neighbours = try connection.query(
            """
            SELECT name, first_journal, end_journal FROM tapline_internal.scan_partitions
            WHERE retired_at IS NOT NULL AND (end_journal = $1 OR first_journal = $2)
            """, [.int64(first), .int64(end)])
        for row in 0..<neighbours.rowCount {
            let name = neighbours.text(row, 0)
            let used = try connection.query(
                "SELECT EXISTS (SELECT FROM tapline_partitions.\(connection.identifier(name)))")
            if used.bool(0, 0) { continue }
            try remove(name)
            (first, end) = (min(first, neighbours.int(row, 1)), max(end, neighbours.int(row, 2)))
        }
        try connection.query("SELECT tapline_internal.make_scan_partition($1, $2)", [.int64(first), .int64(end)])
        try connection.query(
            "UPDATE tapline_internal.scan_partitions SET retired_at = now() WHERE first_journal = $1", [.int64(first)])
    }

    private func remove(_ name: String) throws(PostgresError) {
        try connection.execute("DROP TABLE tapline_partitions.\(connection.identifier(name))")
        try connection.query("DELETE FROM tapline_internal.scan_partitions WHERE name = $1", [.text(name)])
    }
}
