import FileSystem
import SQLite
package import ScanModel
package import Snapshots

/// Makes a snapshot file: the rows of SPEC.md section 6 in key order, so that the same rows give the same bytes. Confined to
/// one thread; the file is of no use before `finish`. The attendees, by far most of it, are held in memory until then: about
/// 23 bytes each.
package final class SnapshotWriter {
    private let path: String
    /// Of all but the attendees; nil once it is finished.
    private var database: Database?
    private var statements: [WrittenContent.Table: Statement] = [:]
    private var attendees: AttendeePages
    private var written = WrittenContent()

    /// Throws `SQLiteError`, or `SnapshotError` for a file that exists.
    ///
    /// - Parameters:
    ///   - path: must not exist yet.
    ///   - largestPass: of all passes that will come, where it is known: then the file is laid out to compress better.
    ///   - largestAttendee: the same.
    package init(path: String, largestPass: Int64 = 0, largestAttendee: Int64 = 0) throws {
        guard !Files.exists(path) else { throw SnapshotError(path: path, detail: "is there already") }
        self.path = path
        attendees = AttendeePages(largestPass: largestPass, largestAttendee: largestAttendee)
        let database = try Database(path, .create)
        // A crash leaves a file that nobody looks at, so there is no journal; `finish` syncs.
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
            CREATE TABLE days(day TEXT PRIMARY KEY NOT NULL, starts INTEGER NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
            """)
        self.database = database
    }

    /// To be called in order of tag ID. Throws `SnapshotError` for a tag that is not behind the last one.
    package func add(_ tag: TagID, _ attendee: Attendee) throws {
        let (uid, status) = (tag.rawValue, attendee.status.rawValue)
        guard attendees.add(uid, status, attendee.pass, attendee.attendee) else {
            throw SnapshotError(path: path, detail: "tag \(uid) does not come in order, or twice")
        }
        written.addAttendee(uid, status, attendee.pass, attendee.attendee)
    }

    /// The pass alone: its rows of `access` have ids of their own and are added by themselves.
    package func addPass(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Pass.Reentry = .gate
    ) throws {
        try add(.passes, [.int(id), Value(name), Value(colour), Value(note), .text(reentry.rawValue)])
    }

    package func addAccess(id: Int64, pass: Int64, _ access: Access) throws {
        try add(.access, [.int(id), .int(pass), .int(access.zone), Value(access.from), Value(access.until)])
    }

    package func add(_ zone: Zone) throws { try add(.zones, [.int(zone.id), .text(zone.name), Value(zone.parent)]) }

    /// - Parameter policy: JSON; checked, and stored as it is. Throws `PolicyError` for one that cannot be.
    package func addGate(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: String = "{}") throws {
        _ = try Policy(json: policy)
        try add(.gates, [.int(id), .text(name), .int(zone), Value(fromZone), .text(policy)])
    }

    /// - Parameter gate: the one it serves unless told otherwise, if any.
    package func addScanner(_ scanner: String, gate: Int64?) throws {
        try add(.scanners, [.text(scanner), Value(gate)])
    }

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
        guard let database else { throw SnapshotError(path: path, detail: "is finished already") }
        return database
    }

    /// The content (`SnapshotContent.hash`) of what was added so far, without reading it again, if the rows of each table came
    /// in order of their keys. Nil when rows of `access` came after many of `attendees`, or hold what snapshots cannot.
    package var content: String? { written.finish() }

    /// Bytes that the file would have if it ended here, but for a page or two.
    package var size: Int64 {
        Int64(attendees.leaves.count) + (database.flatMap { try? $0.int("PRAGMA page_count") } ?? 0)
            * Int64(AttendeePages.pageBytes)
    }

    /// Writes `meta` and the attendees, and brings the file to the disk. The writer is of no use afterwards.
    ///
    /// - Parameters:
    ///   - createdS: seconds since 1970.
    ///   - expiresS: seconds since 1970.
    package func finish(event: String, version: Int64, createdS: Int64, expiresS: Int64) throws {
        let database = try unfinished()
        let meta = try database.prepare("INSERT INTO meta VALUES (?, ?)")
        for (key, value) in [
            ("created", String(createdS)), ("event", event), ("expires", String(expiresS)),
            ("version", String(version)),
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

    /// Puts their pages behind those of SQLite, which has closed the file.
    private func writeAttendees(root: Int) throws {
        let size = Files.status(path)?.size ?? 0
        guard let table = attendees.finish(behind: size / AttendeePages.pageBytes) else { return }
        let whole = size + table.added.count
        guard whole <= AttendeePages.lockByte else { throw SnapshotError(path: path, detail: "is over 1 GiB") }
        try Files.put(table.added, into: path, at: size)
        try Files.put(table.root, into: path, at: (root - 1) * AttendeePages.pageBytes)
        // The header's own count of pages.
        let pages = UInt32(whole / AttendeePages.pageBytes)
        try Files.put((0..<4).map { UInt8(truncatingIfNeeded: pages >> (24 - 8 * $0)) }, into: path, at: 28)
    }
}
