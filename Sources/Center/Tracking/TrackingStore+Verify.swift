import Postgres

extension TrackingStore {
    /// How one tracked relation compares with the scans.
    package struct Report: Hashable, Sendable, CustomStringConvertible {
        package var relation: String
        package var right: Int64
        package var missing: Int64
        /// There, and otherwise than the scans say.
        package var wrong: Int64

        package var description: String { "\(relation): \(right) rows right, \(missing) missing, \(wrong) wrong" }
    }

    /// Computes everything that is tracked anew from the stored scans and compares; with `repair` it is then right. Trackers
    /// wait meanwhile, who stores scans does not.
    package func verify(repair: Bool) throws -> [Report] {
        // Of the session, and before the transaction: its snapshot must be younger than all that was tracked.
        try connection.query("SELECT pg_advisory_lock($1)", [.int64(TrackingStore.lockKey)])
        defer { _ = try? connection.execute("SELECT pg_advisory_unlock_all()") }
        try connection.execute("SELECT pg_advisory_lock(hashtext('tapline_internal.double_admission_log'))")
        return try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ WRITE") {
            // What is stored in this snapshot, and waits, is tracked in it: only what is wrong differs.
            while try trackWaiting(0) {}
            let result = try connection.query(
                """
                SELECT relation, rows_right, rows_missing, rows_wrong
                FROM tapline_internal.rebuild_tracking($1)
                """, [.bool(repair)])
            // Kept at a pace of their own: the days that are due are brought up to date first.
            try DoubleAdmissions.refreshDue(connection)
            let doubles = try connection.query(
                "SELECT 'double_admissions', rows_right, rows_missing, rows_wrong "
                    + "FROM tapline_internal.refresh_double_admissions('-infinity', $1)", [.bool(repair)])
            return [result, doubles].flatMap { rows in
                (0..<rows.rowCount).map {
                    Report(
                        relation: rows.text($0, 0), right: rows.int($0, 1), missing: rows.int($0, 2),
                        wrong: rows.int($0, 3))
                }
            }
        }
    }
}
