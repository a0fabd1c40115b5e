import LinuxSystem
import Postgres
import Runtime

/// Computes the parts of the live state from the database. Confined to its thread.
struct LiveStore {
    /// Time limit of a statement, in milliseconds.
    static let statementTimeoutMs = 3_000

    /// What a computation found.
    struct Result: Sendable {
        /// JSON texts by the name of the part in the frame.
        var texts: [String: String] = [:]
        var alarms: [LiveAlarm] = []
        var fleet: LiveFleet?
        /// Scans stored by all centers.
        var stored: Int64?
        /// How far the clock of the database is ahead of the clock of this machine, in microseconds.
        var clockAheadMicros: Int64?
    }

    private let connection: PostgresConnection
    private var estimate = CatchUpEstimate()

    /// Connects to the database.
    ///
    /// - Throws: `PostgresError`.
    init(databaseURL: String) throws(PostgresError) {
        connection = try PostgresConnection(
            url: databaseURL, statementTimeoutMs: LiveStore.statementTimeoutMs,
            applicationName: "tapline-center live state")
        // One core at most, and sorts of 100,000 people in memory.
        try connection.execute(
            """
            SET max_parallel_workers_per_gather = 0; SET work_mem = '32MB'; SET default_transaction_read_only = on;
            SET default_transaction_isolation = 'repeatable read'
            """)
    }

    /// Computes a part in one statement.
    ///
    /// - Throws: `PostgresError`.
    mutating func compute(_ part: LivePart) throws(PostgresError) -> Result {
        if part == .fleet { return try fleet() }
        let rows = try connection.query(
            "SELECT part, id, level, content, \(LiveStore.clock) FROM tapline_internal.live_\(part.rawValue)()")
        var result = Result()
        for row in 0..<rows.rowCount {
            let (name, content) = (rows.text(row, 0), rows.optionalText(row, 3) ?? "null")
            switch name {
            case "alarm":
                let level = LiveAlarm.Level(rawValue: rows.text(row, 2)) ?? .warn
                result.alarms.append(LiveAlarm(id: rows.text(row, 1), level: level, arguments: content))
            case "stored": result.stored = Int64(content)
            default: result.texts[name] = content
            }
            // Each row has the time at the end of the statement.
            if row == 0 { result.clockAheadMicros = LiveStore.clockAhead(Int64(rows.text(row, 4))) }
        }
        return result
    }

    private mutating func fleet() throws(PostgresError) -> Result {
        let rows = try connection.query(
            """
            SELECT scanner_id, gate, state, place, backlog, last_received_at, unsent_since, time, \(LiveStore.clock)
            FROM (SELECT now() AS time) clock LEFT JOIN tapline_internal.live_fleet() ON true
            """, [], binary: true)
        let clockAhead = LiveStore.clockAhead(rows.int(rows.rowCount - 1, 8))
        // Without scanners there is one row with the time alone.
        let scanners = (0..<rows.rowCount).filter { !rows.isNull($0, 0) }.map { row in
            LiveFleet.Scanner(
                id: rows.text(row, 0), gate: rows.optionalText(row, 1), state: rows.text(row, 2),
                place: rows.int(row, 3), backlog: rows.optionalInt(row, 4),
                heardMicros: rows.optionalMicroseconds(row, 5), unsentSinceMicros: rows.optionalMicroseconds(row, 6))
        }
        let catchingUp = scanners.filter { $0.state == "catching-up" }.map { (id: $0.id, backlog: $0.backlog ?? 0) }
        let catchUpS = estimate.update(catchingUp, nowMs: SystemClock.monotonicMs())
        let fleet = LiveFleet(scanners, catchUpS: catchUpS, nowMicros: rows.microseconds(0, 7))
        return Result(
            texts: ["fleet": fleet.json], alarms: fleet.alarms, fleet: fleet, clockAheadMicros: clockAhead)
    }

    /// The time of the database, in microseconds since 1970-01-01 UTC.
    private static let clock = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

    private static func clockAhead(_ databaseMicros: Int64?) -> Int64? {
        databaseMicros.map { $0 - SystemClock.nowMicroseconds() }
    }
}
