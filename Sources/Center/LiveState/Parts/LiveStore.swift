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
        let rows = try connection.query("SELECT part, id, level, content FROM tapline_internal.live_\(part.rawValue)()")
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
        }
        return result
    }

    private mutating func fleet() throws(PostgresError) -> Result {
        let rows = try connection.query(
            """
            SELECT scanner_id, gate, state, place, backlog, last_received_at, unsent_since, now()
            FROM tapline_internal.live_fleet()
            """, [], binary: true)
        let scanners = (0..<rows.rowCount).map { row in
            LiveFleet.Scanner(
                id: rows.text(row, 0), gate: rows.optionalText(row, 1), state: rows.text(row, 2),
                place: rows.int(row, 3), backlog: rows.optionalInt(row, 4),
                heardMicros: rows.optionalMicroseconds(row, 5), unsentSinceMicros: rows.optionalMicroseconds(row, 6))
        }
        let catchingUp = scanners.filter { $0.state == "catching-up" }.map { (id: $0.id, backlog: $0.backlog ?? 0) }
        let catchUpS = estimate.update(catchingUp, nowMs: SystemClock.monotonicMs())
        let now = rows.rowCount > 0 ? rows.microseconds(0, 7) : SystemClock.nowMicroseconds()
        let fleet = LiveFleet(scanners, catchUpS: catchUpS, nowMicros: now)
        return Result(texts: ["fleet": fleet.json], alarms: fleet.alarms, fleet: fleet)
    }
}
