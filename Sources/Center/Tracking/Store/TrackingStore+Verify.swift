import Postgres

extension TrackingStore {
    /// How one tracked relation compares with the scans, in rows.
    package struct Report: Hashable, Sendable, CustomStringConvertible {
        /// Name of the relation, without its schema.
        package var relation: String
        /// Rows that agree with the scans.
        package var right: Int64
        /// Rows that the scans imply and the relation does not have.
        package var missing: Int64
        /// Rows with other contents than the scans imply.
        package var wrong: Int64

        /// The relation and its three numbers, in one line for the user.
        package var description: String { "\(relation): \(right) rows right, \(missing) missing, \(wrong) wrong" }
    }

    /// Computes all tracked relations from the stored scans and compares them with their rows.
    ///
    /// Trackers wait during the call. Ingestion does not.
    ///
    /// - Parameter repair: `true` corrects the rows.
    /// - Returns: the differences before the repair, one report per relation.
    /// - Throws: `PostgresError`.
    package func verify(repair: Bool) throws -> [Report] { try verify(repair: repair) {} }

    /// Makes the scans that arrive from a scanner within a span void, or valid again, and repairs all tracked relations.
    ///
    /// One transaction, so no reader sees a half of it. Trackers wait during the call. Ingestion does not.
    ///
    /// - Parameters:
    ///   - scanner: the scanner ID. It must be enrolled.
    ///   - sinceMicros: the first receipt, microseconds since 1970-01-01 UTC; `nil`: from the beginning.
    ///   - untilMicros: the receipt after the last one; `nil`: without an end, also of scans that arrive later.
    ///   - isVoid: `false` makes them valid again.
    /// - Returns: the number of stored scans of this scanner that are void now.
    /// - Throws: `PostgresError`.
    package func setVoid(
        _ scanner: String, sinceMicros: Int64?, untilMicros: Int64?, isVoid: Bool
    ) throws -> Int64 {
        var count: Int64 = 0
        _ = try verify(repair: true) {
            try connection.query(
                """
                SELECT tapline_internal.set_void(
                    $1, coalesce($2::timestamptz, '-infinity'), coalesce($3::timestamptz, 'infinity'), $4)
                """,
                [
                    .text(scanner), sinceMicros.map { .timestamp($0) } ?? .null,
                    untilMicros.map { .timestamp($0) } ?? .null, .bool(isVoid),
                ])
            count = try connection.query(
                "SELECT count(*) FROM tapline.void_scans WHERE scanner_id = $1", [.text(scanner)]
            ).int(0, 0)
        }
        return count
    }

    /// - Parameter prepare: changes what the relations follow from, in the same transaction.
    private func verify(repair: Bool, _ prepare: () throws -> Void) throws -> [Report] {
        // Session locks, taken before the transaction: its snapshot must include all that was tracked. In this order,
        // because a refresh waits for the trackers while it holds the first lock.
        defer { _ = try? connection.execute("SELECT pg_advisory_unlock_all()") }
        try connection.execute("SELECT pg_advisory_lock(hashtext('tapline_internal.double_admission_log'))")
        try connection.query("SELECT pg_advisory_lock($1)", [.int64(TrackingStore.lockKey)])
        return try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ WRITE") {
            try prepare()
            // Queued scans are tracked first, so they are not reported as missing.
            try trackAllQueued()
            let tracked = try connection.query(
                """
                SELECT relation, rows_right, rows_missing, rows_wrong
                FROM tapline_internal.rebuild_tracking($1)
                """, [.bool(repair)])
            // The log may be behind by design, so what is due is refreshed before the comparison.
            let log = DoubleAdmissionLog(connection: connection)
            while try log.refreshDueDay() {}
            return [tracked, try log.verify(repair: repair)].flatMap { rows in
                (0..<rows.rowCount).map {
                    Report(
                        relation: rows.text($0, 0), right: rows.int($0, 1), missing: rows.int($0, 2),
                        wrong: rows.int($0, 3))
                }
            }
        }
    }
}
