import Postgres
import ScanModel

/// Calls the SQL functions that keep `tapline_internal.double_admission_log`.
///
/// The rule is in migrations/0008_double_admissions.sql. Most double admissions are logged as their scans are tracked.
/// What that does not decide is due: the people of late passages and of annulments, and the event days of a backlog. A
/// refresh adds the missing rows, and removes those that a late scan contradicts.
struct DoubleAdmissionLog {
    let connection: PostgresConnection

    /// Logs the double admissions among passages that are being tracked, and marks undecided ones as due.
    ///
    /// Call it before `presence` moves, because the SQL function reads the previous passages of these persons from it.
    /// It decides only passages that come after all others of their person, as nearly all do.
    ///
    /// - Parameters:
    ///   - passages: the passages of one transaction, in any order.
    ///   - doubtfulTags: tags whose row in `presence` may be an admission that was annulled in this transaction.
    func log(_ passages: [(tag: Int64, sighting: Sighting)], doubtfulTags: [Int64]) throws(PostgresError) {
        guard !passages.isEmpty else { return }
        try connection.query(
            "SELECT tapline_internal.log_double_admissions($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                .int64s(passages.map(\.tag)), .timestamps(passages.map(\.sighting.orderedAt)),
                .uuids(passages.map(\.sighting.uuid)), .int64s(passages.map(\.sighting.journal)),
                .int64s(passages.map(\.sighting.seq)), .int16s(passages.map(\.sighting.direction)),
                .optionalInt64s(passages.map(\.sighting.gate)), .int64s(doubtfulTags),
            ])
    }

    /// Marks whole event days as due, in the transaction that tracks their scans.
    func markDue(_ days: DueDays) throws(PostgresError) {
        try connection.query(
            "INSERT INTO tapline_internal.double_admissions_due (instant) SELECT * FROM unnest($1)",
            [.timestamps(days.instants)])
    }

    /// Marks the people of annulled admissions as due, in the transaction that writes the annulments.
    func markDue(_ changes: [AnnulledStore.Change]) throws(PostgresError) {
        guard !changes.isEmpty else { return }
        try connection.query(
            "INSERT INTO tapline_internal.double_admissions_due (instant, tag_id) SELECT * FROM unnest($1, $2)",
            [.timestamps(changes.map(\.orderedMicros)), .int64s(changes.map(\.tag))])
    }

    /// Returns whether something is due.
    func isDue() throws(PostgresError) -> Bool {
        try connection.query("SELECT EXISTS (SELECT FROM tapline_internal.double_admissions_due)").bool(0, 0)
    }

    /// Refreshes what is due of the latest event day, because a dashboard most likely shows it.
    ///
    /// One statement. If it is cancelled, all of it stays due.
    ///
    /// - Returns: `false` if nothing was due.
    @discardableResult
    func refreshDueDay() throws(PostgresError) -> Bool {
        try connection.query("SELECT tapline_internal.refresh_due_double_admissions()").bool(0, 0)
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

/// The event days of tracked scans, as instants in them.
struct DueDays {
    /// Maximum distance of two instants of a run, in microseconds: half a day. So no event day between them is missed.
    private static let stepMicros: Int64 = 43_200_000_000
    /// Maximum number of instants of one run, whatever the device's clock said.
    private static let stepsLimit = 100

    /// The earliest and the latest instant of each half day, because an event day may begin between them.
    private var halfDays: [Int64: ClosedRange<Int64>] = [:]

    /// Adds the span of the times of a run, in microseconds since 1970-01-01 UTC.
    mutating func add(_ span: ClosedRange<Int64>) {
        var at = span.lowerBound
        for _ in 0..<DueDays.stepsLimit {
            let halfDay = at / DueDays.stepMicros
            let known = halfDays[halfDay] ?? at...at
            halfDays[halfDay] = min(known.lowerBound, at)...max(known.upperBound, at)
            if at == span.upperBound { break }
            at = min(at + DueDays.stepMicros, span.upperBound)
        }
    }

    /// The instants in order, each once.
    var instants: [Int64] { Set(halfDays.values.flatMap { [$0.lowerBound, $0.upperBound] }).sorted() }
}
