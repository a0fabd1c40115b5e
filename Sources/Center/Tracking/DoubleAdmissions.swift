import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Keeps `tapline_internal.double_admission_log`: looks for them anew in the event days of which something has changed, on a connection
/// of its own, since a day of millions of scans takes seconds. Which days are due stands in the database, written in the
/// transaction that changed them.
final class DoubleAdmissions: Sendable {
    /// Between two looks, at least, and so many times what the last one took: at most a twentieth of a core.
    static let quickestMs: Int64 = 1_000
    static let paceFactor: Int64 = 20
    /// While scans pour in, more than `pouringScans` between two looks at the clock, it waits, but no longer than this: what
    /// is looked at now would have to be looked at again.
    static let patienceMs: Int64 = 60_000
    static let pouringScans = 10_000
    /// Steps in which a run of scans is noted, so that no event day between is missed; and the steps at most.
    private static let stepMicros: Int64 = 43_200_000_000
    private static let stepsLimit = 100

    private let databaseURL: String
    /// Scans tracked since the last look at it.
    private let scans = Atomic(0)
    private let log = Log("tracking")

    init(databaseURL: String) { self.databaseURL = databaseURL }

    func tracked(_ count: Int) { scans.wrappingAdd(count, ordering: .relaxed) }

    /// Notes the days of what is being tracked, in its transaction.
    static func doubt(_ runs: [StoredScans], _ connection: PostgresConnection) throws(PostgresError) {
        // Of each half day the earliest and the latest: an event day may begin between them.
        var halves: [Int64: ClosedRange<Int64>] = [:]
        for run in runs {
            let span = run.span
            var at = span.lowerBound
            for _ in 0..<stepsLimit {
                let known = halves[at / stepMicros] ?? at...at
                halves[at / stepMicros] = min(known.lowerBound, at)...max(known.upperBound, at)
                if at == span.upperBound { break }
                at = min(at + stepMicros, span.upperBound)
            }
        }
        let instants = Set(halves.values.flatMap { [$0.lowerBound, $0.upperBound] })
        try connection.query(
            "INSERT INTO tapline_internal.double_admissions_due (instant) SELECT * FROM unnest($1)",
            [.timestamps(instants.sorted())])
    }

    /// Looks at the days that are due, each in a transaction of its own unless the caller has one; the latest first, which
    /// somebody may be looking at. False: none is.
    @discardableResult
    static func refreshDue(_ connection: PostgresConnection) throws(PostgresError) -> Bool {
        let due = try connection.query(
            "SELECT day, min(instant), array_agg(id)::text FROM (SELECT id, instant, tapline.day_start(instant) AS day "
                + "FROM tapline_internal.double_admissions_due) d GROUP BY day ORDER BY day DESC")
        for row in 0..<due.rowCount {
            // One statement: the day is no longer due when what was found in it is kept.
            try connection.query(
                """
                WITH seen AS (
                    DELETE FROM tapline_internal.double_admissions_due
                    WHERE id = ANY ($2::text::bigint[]) RETURNING id)
                SELECT tapline_internal.refresh_double_admissions($1::text::timestamptz), (SELECT count(*) FROM seen)
                """, [.text(due.text(row, 1)), .text(due.text(row, 2))])
        }
        return due.rowCount > 0
    }

    func run(_ stop: StopSignal) {
        var connection: PostgresConnection?
        var isAway = false
        var pauseMs = DoubleAdmissions.quickestMs
        var lookedMs = SystemClock.monotonicMs()
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissions.quickestMs
            let start = SystemClock.monotonicMs()
            let isPouring = scans.exchange(0, ordering: .relaxed) > DoubleAdmissions.pouringScans
            guard !isPouring || start - lookedMs >= DoubleAdmissions.patienceMs else { continue }
            do {
                if connection?.isBroken != false { connection = try connect() }
                if let connection { try DoubleAdmissions.refreshDue(connection) }
                isAway = false
            } catch {
                connection = nil
                if !isAway { log.warning("double admissions not looked at", [.error: "\(error)"]) }
                isAway = true
            }
            lookedMs = SystemClock.monotonicMs()
            pauseMs = max(pauseMs, DoubleAdmissions.paceFactor * (lookedMs - start))
        }
    }

    private func connect() throws -> PostgresConnection {
        // No limit on the time of a look, but one core at the most.
        let connection = try PostgresConnection(
            url: databaseURL, statementTimeoutMs: 0, applicationName: "tapline-center double admissions")
        try connection.execute("SET max_parallel_workers_per_gather = 0; SET synchronous_commit = off")
        return connection
    }
}
