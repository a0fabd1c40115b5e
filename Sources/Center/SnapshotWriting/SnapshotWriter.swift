import FileSystem
import SQLite
package import ScanModel
package import Snapshots

/// Writes a snapshot file: the rows of contract.md section 6 in key order, so that the same rows give the same bytes.
///
/// Use it on one thread. The file is valid only after `finish`. The attendees, the largest part by far, are held in
/// memory until then: about 23 bytes for each tag.
package final class SnapshotWriter {
    private let path: String
    /// Holds all tables except the attendees; `nil` after `finish`.
    private var database: Database?
    private var statements: [WrittenContent.Table: Statement] = [:]
    private var attendees: AttendeePages
    private var written = WrittenContent()

    /// Creates the file.
    ///
    /// - Parameters:
    ///   - path: must not exist.
    ///   - largestPass: the largest pass id that will be added, if known. The file then compresses better.
    ///   - largestAttendee: the largest attendee id that will be added, likewise.
    /// - Throws: `SQLiteError`, `SnapshotError` if the file exists.
    package init(path: String, largestPass: Int64 = 0, largestAttendee: Int64 = 0) throws {
        guard !Files.exists(path) else { throw SnapshotError(path: path, detail: "exists already") }
        self.path = path
        attendees = AttendeePages(largestPass: largestPass, largestAttendee: largestAttendee)
        let database = try Database(path, .create)
        // No journal: an unfinished file is discarded after a crash. `finish` syncs the file.
        try database.execute(
            """
            PRAGMA page_size = \(AttendeePages.pageBytes); PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            PRAGMA application_id = \(Snapshot.applicationID); PRAGMA user_version = \(Snapshot.format);
            BEGIN;
            CREATE TABLE attendees(
                uid INTEGER PRIMARY KEY, status INTEGER NOT NULL, pass INTEGER NOT NULL, attendee INTEGER NOT NULL);
            CREATE TABLE passes(
                id INTEGER PRIMARY KEY, name TEXT, colour TEXT, note TEXT, reentry TEXT NOT NULL);
            CREATE TABLE access(
                id INTEGER PRIMARY KEY, pass INTEGER NOT NULL, zone INTEGER NOT NULL, valid_from INTEGER,
                valid_until INTEGER);
            CREATE TABLE zones(id INTEGER PRIMARY KEY, name TEXT NOT NULL, parent INTEGER);
            CREATE TABLE gates(
                id INTEGER PRIMARY KEY, name TEXT NOT NULL, zone INTEGER NOT NULL, from_zone INTEGER,
                policy TEXT NOT NULL);
            CREATE TABLE scanners(scanner TEXT PRIMARY KEY NOT NULL, gate INTEGER) WITHOUT ROWID;
            CREATE TABLE days(day TEXT PRIMARY KEY NOT NULL, starts INTEGER NOT NULL, ends INTEGER NOT NULL) \
            WITHOUT ROWID;
            CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
            """)
        self.database = database
    }

    /// Adds a tag with its attendee.
    ///
    /// - Throws: `SnapshotError` if the tag is not higher than the last one.
    package func add(_ tag: TagID, _ attendee: Attendee) throws {
        let uid = tag.rawValue
        let status = attendee.status.rawValue
        guard attendees.add(uid: uid, status: status, pass: attendee.pass, attendee: attendee.attendee) else {
            throw SnapshotError(path: path, detail: "tag \(uid) is out of order, or was added twice")
        }
        written.addAttendee(uid: uid, status: status, pass: attendee.pass, attendee: attendee.attendee)
    }

    /// Adds a pass. Its access is added separately, because rows of `access` have their own ids.
    ///
    /// - Throws: `SQLiteError`, `SnapshotError` after `finish`.
    package func addPass(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Pass.Reentry = .gate
    ) throws {
        try add(.passes, [.int(id), Value(name), Value(colour), Value(note), .text(reentry.rawValue)])
    }

    /// Adds one access of a pass.
    ///
    /// - Throws: `SQLiteError`, `SnapshotError` after `finish`.
    package func addAccess(id: Int64, pass: Int64, _ access: Access) throws {
        try add(.access, [.int(id), .int(pass), .int(access.zone), Value(access.from), Value(access.until)])
    }

    /// Adds a zone.
    ///
    /// - Throws: `SQLiteError`, `SnapshotError` after `finish`.
    package func add(_ zone: Zone) throws { try add(.zones, [.int(zone.id), .text(zone.name), Value(zone.parent)]) }

    /// Adds a gate.
    ///
    /// - Parameter policy: JSON (contract.md section 6); it is checked and stored unchanged.
    /// - Throws: `PolicyError` if the policy is invalid; `SQLiteError`, `SnapshotError` after `finish`.
    package func addGate(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: String = "{}") throws {
        _ = try Policy(json: policy)
        try add(.gates, [.int(id), .text(name), .int(zone), Value(fromZone), .text(policy)])
    }

    /// Adds a scanner.
    ///
    /// - Parameter gate: the default gate of the scanner, if any.
    /// - Throws: `SQLiteError`, `SnapshotError` after `finish`.
    package func addScanner(_ scanner: String, gate: Int64?) throws {
        try add(.scanners, [.text(scanner), Value(gate)])
    }

    /// Adds an event day.
    ///
    /// - Throws: `SQLiteError`, `SnapshotError` after `finish`.
    package func add(_ day: Day) throws { try add(.days, [.text(day.day), .int(day.starts), .int(day.ends)]) }

    private func add(_ table: WrittenContent.Table, _ values: [Value]) throws {
        try insert(into: table, columns: values.count).run(values)
        written.add(table, values)
    }

    private func insert(into table: WrittenContent.Table, columns: Int) throws -> Statement {
        if let prepared = statements[table] { return prepared }
        let places = Array(repeating: "?", count: columns).joined(separator: ", ")
        let statement = try unfinished().prepare("INSERT INTO \(table) VALUES (\(places))")
        statements[table] = statement
        return statement
    }

    private func unfinished() throws -> Database {
        guard let database else { throw SnapshotError(path: path, detail: "is already finished") }
        return database
    }

    /// The content hash (`SnapshotContent.hash`) of the rows added so far.
    ///
    /// `nil` if the rows of a table were not added in key order, or if a value is invalid. Also `nil` if rows of
    /// `access` were added after many rows of `attendees`.
    package var content: String? { written.finish() }

    /// The size of the file if it ended now, in bytes. The error is at most two pages.
    package var size: Int64 {
        Int64(attendees.leaves.count) + (database.flatMap { try? $0.int("PRAGMA page_count") } ?? 0)
            * Int64(AttendeePages.pageBytes)
    }

    /// Writes `meta` and the attendees, and syncs the file to the disk. Nothing can be added afterwards.
    ///
    /// - Parameters:
    ///   - createdS: creation time in seconds since 1970.
    ///   - expiresS: expiry time in seconds since 1970.
    ///   - codeCase: the event's rule for codes, which the tag IDs of codes were made with.
    /// - Throws: `SQLiteError`, `SystemError`; `SnapshotError` if called twice or if the file exceeds 1 GiB.
    package func finish(
        event: String, version: Int64, createdS: Int64, expiresS: Int64, codeCase: CodeCase = .exact
    ) throws {
        let database = try unfinished()
        let meta = try database.prepare("INSERT INTO meta VALUES (?, ?)")
        for (key, value) in [
            ("code_case", codeCase.rawValue), ("created", String(createdS)), ("event", event),
            ("expires", String(expiresS)), ("version", String(version)),
        ] {
            try meta.run(.text(key), .text(value))
        }
        let root = try database.int("SELECT rootpage FROM sqlite_schema WHERE name = 'attendees'") ?? 0
        try database.execute("COMMIT")
        statements = [:]
        self.database = nil
        try writeAttendees(root: Int(root))
        try Files.sync(path)
    }

    /// Appends the pages of the attendees to the file, after SQLite has closed it.
    private func writeAttendees(root: Int) throws {
        let size = Files.status(path)?.size ?? 0
        guard let table = attendees.finish(behind: size / AttendeePages.pageBytes) else { return }
        let whole = size + table.added.count
        guard whole <= AttendeePages.lockByte else { throw SnapshotError(path: path, detail: "is over 1 GiB") }
        try Files.put(table.added, into: path, at: size)
        try Files.put(table.root, into: path, at: (root - 1) * AttendeePages.pageBytes)
        // The page count in the file header.
        let pages = UInt32(whole / AttendeePages.pageBytes)
        try Files.put((0..<4).map { UInt8(truncatingIfNeeded: pages >> (24 - 8 * $0)) }, into: path, at: 28)
    }
}
