internal import Postgres
internal import Runtime
internal import Scans
internal import Snapshots

/// Reads the registration list into a snapshot file, within the caller's transaction.
struct RegistryReader {
    private let connection: PostgresConnection

    private let stop: StopSignal

    init(_ connection: PostgresConnection, _ stop: StopSignal) { (self.connection, self.stop) = (connection, stop) }

    /// How many event days a snapshot knows: yesterday's for those who stayed up, and two weeks for a scanner that hears
    /// nothing more.
    static let days = -1...14

    func eventName() throws -> String? {
        let rows = try connection.query("SELECT name FROM tapline.event")
        return rows.rowCount == 0 ? nil : rows.text(0, 0)
    }

    /// The highest version ever published from this database; 0 before the first.
    func lastVersion() throws -> Int64 {
        try connection.query("SELECT coalesce(max(version), 0) FROM tapline.snapshots").int(0, 0)
    }

    /// The transaction's time in seconds since 1970, by the clock of the database.
    func nowS() throws -> Int64 { try connection.query("SELECT floor(extract(epoch FROM now()))::bigint").int(0, 0) }

    /// Copies all but `meta`; gives the number of tags.
    func copyAll(to writer: SnapshotWriter) throws -> Int {
        let tags = try copyAttendees(to: writer)
        try copyPasses(to: writer)
        try copyPlaces(to: writer)
        try copyDays(to: writer)
        return tags
    }

    /// The state that a gate acts on, of tag and person. A lost tag comes first: who wears it is anybody's guess, so neither
    /// a block nor a void of its owner is the wearer's. Then void, of either, as there is no ticket at all; then blocked.
    private static let status = """
        CASE WHEN t.status = 'lost' THEN 3 WHEN t.status = 'void' OR a.status = 'void' THEN 4
            WHEN a.status = 'blocked' THEN 2 ELSE 1 END
        """

    private func copyAttendees(to writer: SnapshotWriter) throws -> Int {
        var count = 0
        try connection.copyOut(
            """
            COPY (SELECT t.tag_id, \(RegistryReader.status), coalesce(a.pass_id, 0), a.id
                FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id ORDER BY t.tag_id) TO STDOUT
            """
        ) { line in
            let (tag, status, pass, attendee) = try RegistryReader.numbers(line)
            guard let status = Attendee.Status(rawValue: status) else { throw ExportError(line: line) }
            try writer.add(TagID(rawValue: tag), Attendee(status: status, pass: pass, attendee: attendee))
            count += 1
            if count.isMultiple(of: 1_000) { try SnapshotExport.goOn(stop) }
        }
        return count
    }

    /// Four whole numbers with tabs between: a line of COPY.
    static func numbers(_ line: [UInt8]) throws -> (Int64, Int64, Int64, Int64) {
        var numbers: (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        var (value, isNegative, field): (Int64, Bool, Int) = (0, false, 0)
        for byte in line {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            // Counted downward, where there is room for the lowest Int64 too.
            case 48...57: value = value &* 10 &- Int64(byte - 48)
            case UInt8(ascii: "\t"), UInt8(ascii: "\n"):
                let number = isNegative ? value : -value
                switch field {
                case 0: numbers.0 = number
                case 1: numbers.1 = number
                case 2: numbers.2 = number
                case 3: numbers.3 = number
                default: throw ExportError(line: line)
                }
                (value, isNegative) = (0, false)
                field += 1
            default: throw ExportError(line: line)
            }
        }
        guard field == 4 else { throw ExportError(line: line) }
        return numbers
    }

    private func copyPasses(to writer: SnapshotWriter) throws {
        let passes = try connection.query("SELECT id, name, colour, note, reentry FROM tapline.passes ORDER BY id")
        for row in 0..<passes.rowCount {
            guard let reentry = Pass.Reentry(rawValue: passes.text(row, 4)) else {
                throw ExportError(detail: "pass \(passes.int(row, 0)): reentry \(passes.text(row, 4))")
            }
            try writer.addPass(
                id: passes.int(row, 0), name: passes.optionalText(row, 1), colour: passes.optionalText(row, 2),
                note: passes.optionalText(row, 3), reentry: reentry)
        }
        // PostgreSQL knows infinite times; seconds do not. What begins never is as far away as a snapshot's numbers go.
        let access = try connection.query(
            """
            SELECT id, pass_id, zone_id,
                CASE valid_from WHEN '-infinity' THEN NULL WHEN 'infinity' THEN \(Bounds.uint - 1)
                    ELSE floor(extract(epoch FROM valid_from)) END::bigint,
                CASE valid_until WHEN 'infinity' THEN NULL WHEN '-infinity' THEN 0
                    ELSE floor(extract(epoch FROM valid_until)) END::bigint
            FROM tapline.access ORDER BY id
            """)
        for row in 0..<access.rowCount {
            try writer.addAccess(
                id: access.int(row, 0), pass: access.int(row, 1),
                Access(zone: access.int(row, 2), from: access.optionalInt(row, 3), until: access.optionalInt(row, 4)))
        }
    }

    private func copyPlaces(to writer: SnapshotWriter) throws {
        let zones = try connection.query("SELECT id, name, parent_id FROM tapline.zones ORDER BY id")
        for row in 0..<zones.rowCount {
            try writer.add(Zone(id: zones.int(row, 0), name: zones.text(row, 1), parent: zones.optionalInt(row, 2)))
        }
        let gates = try connection.query(
            "SELECT id, name, zone_id, from_zone_id, policy FROM tapline.gates ORDER BY id")
        for row in 0..<gates.rowCount {
            do {
                try writer.addGate(
                    id: gates.int(row, 0), name: gates.text(row, 1), zone: gates.int(row, 2),
                    fromZone: gates.optionalInt(row, 3), policy: gates.text(row, 4))
            } catch let error as PolicyError {
                throw ExportError(detail: "gate \(gates.text(row, 1)): \(error)")
            }
        }
        let scanners = try connection.query(
            "SELECT id, gate_id FROM tapline.scanners WHERE enabled ORDER BY id COLLATE \"C\"")
        for row in 0..<scanners.rowCount {
            try writer.addScanner(scanners.text(row, 0), gate: scanners.optionalInt(row, 1))
        }
    }

    /// Calendar days of the event's time zone from day_start to day_start, as PostgreSQL computes them: gates know no zones.
    private func copyDays(to writer: SnapshotWriter) throws {
        let (first, last) = (RegistryReader.days.lowerBound, RegistryReader.days.upperBound)
        let days = try connection.query(
            """
            WITH event AS (
                SELECT coalesce((SELECT time_zone FROM tapline.event), 'Etc/UTC') AS zone,
                    coalesce((SELECT day_start FROM tapline.event), '06:00') AS day_start
            ), starts AS (
                SELECT day::date AS day, (day::date + day_start) AT TIME ZONE zone AS at
                FROM event, LATERAL (SELECT ((now() AT TIME ZONE zone) - day_start)::date AS today) AS t,
                    LATERAL (SELECT today + step AS day FROM generate_series(\(first), \(last + 1)) AS step) AS d
            )
            SELECT day::text, floor(extract(epoch FROM at))::bigint, floor(extract(epoch FROM ends))::bigint
            FROM (SELECT day, at, lead(at) OVER (ORDER BY day) AS ends FROM starts) AS days
            WHERE ends IS NOT NULL ORDER BY day
            """)
        for row in 0..<days.rowCount {
            try writer.add(Day(day: days.text(row, 0), starts: days.int(row, 1), ends: days.int(row, 2)))
        }
    }
}

/// A registration list that no snapshot can be made of: what is wrong with it.
public struct ExportError: Error, CustomStringConvertible, Sendable {
    let detail: String

    init(detail: String) { self.detail = detail }
    init(line: [UInt8]) { detail = "unexpected line from COPY: '\(String(decoding: line.prefix(100), as: UTF8.self))'" }

    public var description: String { "export: \(detail)" }
}
