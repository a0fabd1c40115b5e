import Postgres
import Runtime
import ScanModel
import SnapshotWriting
import Snapshots

/// Reads the registration list into a snapshot file, within the transaction of the caller.
struct RegistryReader {
    private let connection: PostgresConnection
    private let stop: StopSignal

    init(_ connection: PostgresConnection, stop: StopSignal) {
        self.connection = connection
        self.stop = stop
    }

    /// Event days in a snapshot, relative to today: yesterday (attendees who stayed overnight) to two weeks ahead
    /// (scanners without further snapshots).
    static let days = -1...14

    /// The event as in the registry.
    struct Event {
        /// `nil` if none is set.
        let name: String?
        let id: String?
        let keyFingerprint: String?
        let codeCase: CodeCase

        /// Creates a manifest without the values of the file.
        ///
        /// - Parameter name: the name of the event.
        func manifest(
            of name: String, version: Int64, created: Int64, expires: Int64, content: String, attendees: Int64
        ) -> Manifest {
            var manifest = Manifest(
                event: name, version: version, created: created, expires: expires, size: 0, sha256: "",
                content: content, attendees: attendees)
            manifest.eventID = id
            manifest.key = keyFingerprint
            manifest.codeCase = codeCase.rawValue
            return manifest
        }
    }

    /// Returns the event with its name, UUID and key.
    func event() throws -> Event {
        let rows = try connection.query("SELECT name, id, key_fingerprint, code_case FROM tapline.event_settings")
        guard let codeCase = CodeCase(rawValue: rows.text(0, 3)) else {
            throw SnapshotExportError.invalidContent("event: unknown code_case '\(rows.text(0, 3))'")
        }
        return Event(
            name: rows.optionalText(0, 0), id: rows.optionalText(0, 1), keyFingerprint: rows.optionalText(0, 2),
            codeCase: codeCase)
    }

    /// A snapshot that was published from this database. Times in seconds since 1970.
    struct Published {
        let version, attendees, createdS, expiresS: Int64
        let sha256: String
        /// The content hash; empty if an older program published the snapshot.
        let content: String
    }

    /// Returns the published snapshots within the window of `ShrinkGuard` and always the last one, the oldest first.
    func published() throws -> [Published] {
        // A version is at least the second of its creation, so the index on `version` excludes old snapshots.
        let rows = try connection.query(
            """
            WITH last AS (SELECT max(version) AS version FROM tapline.snapshots)
            SELECT s.version, attendees, floor(extract(epoch FROM created_at))::bigint,
                floor(extract(epoch FROM expires_at))::bigint, sha256, content
            FROM tapline.snapshots s, last
            WHERE s.version >= least(last.version, floor(extract(epoch FROM now()))::bigint - $1)
                AND (s.version = last.version OR created_at > now() - make_interval(secs => $1))
            ORDER BY s.version
            """, [.int64(ShrinkGuard.windowS)])
        return (0..<rows.rowCount).map { row in
            Published(
                version: rows.int(row, 0), attendees: rows.int(row, 1), createdS: rows.int(row, 2),
                expiresS: rows.int(row, 3), sha256: rows.text(row, 4), content: rows.text(row, 5))
        }
    }

    /// Returns the start time of the transaction, in seconds since 1970.
    func nowS() throws -> Int64 { try connection.nowS() }

    /// Returns the highest ids of passes and attendees.
    func largest() throws -> (pass: Int64, attendee: Int64) {
        let rows = try connection.query(
            """
            SELECT (SELECT coalesce(max(id), 0) FROM tapline.passes),
                (SELECT coalesce(max(id), 0) FROM tapline.attendees)
            """)
        return (rows.int(0, 0), rows.int(0, 1))
    }

    /// The status that a gate acts on, combined from the tag and its attendee.
    ///
    /// Lost has priority: the wearer of a lost tag is unknown, so the status of the owner does not apply to the wearer.
    /// Void of either comes next, because there is no valid ticket; then blocked.
    private static let status = """
        CASE WHEN t.status = 'lost' THEN 3 WHEN t.status = 'void' OR a.status = 'void' THEN 4
            WHEN a.status = 'blocked' THEN 2 ELSE 1 END
        """

    /// Reads all tags of people whose names were not erased. A scanner then has nothing of an erased person.
    ///
    /// - Parameter progress: called every few thousand tags with the number of tags and of bytes so far.
    /// - Throws: `PostgresError`, `SnapshotExportError.stopped`.
    func tags(progress: (Int64, Int64) -> Void) throws -> SortedTags {
        // The tables are in the memory of the server, or will be soon. A merge join over the indexes of both tables is
        // then the cheapest plan. The planner chooses it if random reads are not expensive and the rows are nearly in
        // index order.
        try connection.execute("SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off")
        var tags = SortedTags()
        try connection.copyOutIntegers(
            """
            COPY (SELECT t.tag_id, \(RegistryReader.status), coalesce(a.pass_id, 0), a.id
                FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id WHERE a.names_erased_at IS NULL)
            TO STDOUT (FORMAT binary)
            """, columns: 4
        ) { values, bytes in
            tags.add(values)
            try stop.check()
            progress(tags.count, bytes)
        }
        return tags
    }

    /// Copies the passes and their access.
    func copyPasses(to writer: SnapshotWriter) throws {
        let passes = try connection.query("SELECT id, name, colour, note, reentry FROM tapline.passes ORDER BY id")
        for row in 0..<passes.rowCount {
            guard let reentry = Pass.Reentry(rawValue: passes.text(row, 4)) else {
                throw SnapshotExportError.invalidContent(
                    "pass \(passes.int(row, 0)): unknown reentry '\(passes.text(row, 4))'")
            }
            try writer.addPass(
                id: passes.int(row, 0), name: passes.optionalText(row, 1), colour: passes.optionalText(row, 2),
                note: passes.optionalText(row, 3), reentry: reentry)
        }
        // PostgreSQL has infinite times, snapshots have seconds. A start that is never reached becomes the largest
        // number that a snapshot can hold.
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

    /// Copies zones, gates and enabled scanners.
    func copyPlaces(to writer: SnapshotWriter) throws {
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
                throw SnapshotExportError.invalidContent("gate \(gates.text(row, 1)): \(error)")
            }
        }
        let scanners = try connection.query(
            "SELECT id, gate_id FROM tapline.scanners WHERE enabled ORDER BY id COLLATE \"C\"")
        for row in 0..<scanners.rowCount {
            try writer.addScanner(scanners.text(row, 0), gate: scanners.optionalInt(row, 1))
        }
    }

    /// Copies the event days: calendar days of the event's time zone, each from `day_start` to the next `day_start`.
    ///
    /// PostgreSQL computes the instants, because gates have no time zone data.
    ///
    /// - Parameter nowS: the time of the snapshot, in seconds since 1970.
    func copyDays(to writer: SnapshotWriter, nowS: Int64) throws {
        let first = RegistryReader.days.lowerBound
        let last = RegistryReader.days.upperBound
        let days = try connection.query(
            """
            WITH event AS (
                SELECT time_zone AS zone, day_start FROM tapline.event_settings
            ), starts AS (
                SELECT day::date AS day, (day::date + day_start) AT TIME ZONE zone AS at
                FROM event, LATERAL (SELECT ((to_timestamp($1) AT TIME ZONE zone) - day_start)::date AS today) AS t,
                    LATERAL (SELECT today + step AS day FROM generate_series(\(first), \(last + 1)) AS step) AS d
            )
            SELECT day::text, floor(extract(epoch FROM at))::bigint, floor(extract(epoch FROM ends))::bigint
            FROM (SELECT day, at, lead(at) OVER (ORDER BY day) AS ends FROM starts) AS days
            WHERE ends IS NOT NULL ORDER BY day
            """, [.double(Double(nowS))])
        for row in 0..<days.rowCount {
            try writer.add(Day(day: days.text(row, 0), starts: days.int(row, 1), ends: days.int(row, 2)))
        }
    }
}

extension PostgresConnection {
    /// Returns the start time of the transaction by the clock of the database, in seconds since 1970.
    func nowS() throws(PostgresError) -> Int64 {
        try query("SELECT floor(extract(epoch FROM now()))::bigint").int(0, 0)
    }
}
