import Postgres
import ScanModel
import ScanRuns

/// Calls the SQL functions that keep `tapline_internal.double_admission_log`.
///
/// The rule is in migrations/0008_double_admissions.sql. Most double admissions are logged as their scans are tracked.
/// A refresh computes whole event days, adds those of late scans, and removes those that a late scan contradicts.
struct DoubleAdmissionLog {
    /// Maximum distance of two recorded instants of a run, in microseconds: half a day. So no event day between them is
    /// missed.
    private static let stepMicros: Int64 = 43_200_000_000
    /// Maximum number of instants of one run, whatever the device's clock said.
    private static let stepsLimit = 100

    let connection: PostgresConnection

    /// Logs the double admissions among passages that are being tracked.
    ///
    /// Call it before `presence` moves, because the SQL function reads the previous passages of these persons from it.
    /// It handles only passages that come after all others of their person, as nearly all do. The next refresh finds
    /// the rest.
    ///
    /// - Parameters:
    ///   - passages: the passages of one transaction, in any order.
    ///   - doubtfulTags: tags whose row in `presence` may be an admission that was annulled in this transaction.
    func log(_ passages: [(tag: Int64, sighting: Sighting)], doubtfulTags: [Int64]) throws(PostgresError) {
        guard passages.contains(where: { !$0.sighting.isOut }) else { return }
        try connection.query(
            "SELECT tapline_internal.log_double_admissions($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                .int64s(passages.map(\.tag)), .timestamps(passages.map(\.sighting.orderedAt)),
                .uuids(passages.map(\.sighting.uuid)), .int64s(passages.map(\.sighting.journal)),
                .int64s(passages.map(\.sighting.seq)), .int16s(passages.map(\.sighting.direction)),
                .optionalInt64s(passages.map(\.sighting.gate)), .int64s(doubtfulTags),
            ])
    }

    /// Marks the event days of these scans as due for a refresh, in the transaction that tracks the scans.
    func markDue(_ runs: [StoredScans]) throws(PostgresError) {
        // The earliest and the latest instant of each half day, because an event day may begin between them.
        var halfDays: [Int64: ClosedRange<Int64>] = [:]
        for run in runs {
            let span = run.span
            var at = span.lowerBound
            for _ in 0..<DoubleAdmissionLog.stepsLimit {
                let halfDay = at / DoubleAdmissionLog.stepMicros
                let known = halfDays[halfDay] ?? at...at
                halfDays[halfDay] = min(known.lowerBound, at)...max(known.upperBound, at)
                if at == span.upperBound { break }
                at = min(at + DoubleAdmissionLog.stepMicros, span.upperBound)
            }
        }
        let instants = Set(halfDays.values.flatMap { [$0.lowerBound, $0.upperBound] })
        try connection.query(
            "INSERT INTO tapline_internal.double_admissions_due (instant) SELECT * FROM unnest($1)",
            [.timestamps(instants.sorted())])
    }

    /// Refreshes the due event days, the latest first, because a dashboard most likely shows it.
    ///
    /// Each day has a separate transaction, unless the caller has begun one.
    func refreshDueDays() throws(PostgresError) {
        let due = try connection.query(
            "SELECT min(instant), array_agg(id)::text FROM (SELECT id, instant, tapline.day_start(instant) AS day "
                + "FROM tapline_internal.double_admissions_due) d GROUP BY day ORDER BY day DESC")
        for row in 0..<due.rowCount {
            // One statement, so that a day is unmarked only together with its refresh.
            try connection.query(
                """
                WITH seen AS (
                    DELETE FROM tapline_internal.double_admissions_due
                    WHERE id = ANY ($2::text::bigint[]) RETURNING id)
                SELECT tapline_internal.refresh_double_admissions($1::text::timestamptz), (SELECT count(*) FROM seen)
                """, [.text(due.text(row, 0)), .text(due.text(row, 1))])
        }
    }

    /// Compares the log with the scans of all days.
    ///
    /// - Returns: one row: relation, rows right, missing, wrong.
    func verify(repair: Bool) throws(PostgresError) -> PostgresResult {
        try connection.query(
            "SELECT 'double_admissions', rows_right, rows_missing, rows_wrong "
                + "FROM tapline_internal.refresh_double_admissions('-infinity', $1)", [.bool(repair)])
    }
}

extension Sighting {
    var uuid: PostgresUUID { PostgresUUID(high: journalID.high, low: journalID.low) }

    /// As in SQL: 0 is in, 1 is out.
    var direction: Int16 { isOut ? 1 : 0 }
}
