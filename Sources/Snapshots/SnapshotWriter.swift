internal import Runtime
internal import SQLite
public import Scans

/// Makes a snapshot file: the rows of SPEC.md section 6 in key order, in one transaction, so that the same rows give the
/// same bytes. Confined to one thread; the file is of no use before `finish`.
public final class SnapshotWriter {
    private let path: String
    private let database: Database
    private let attendees, passes, access, zones, gates, scanners, days, meta: Statement

    /// - Parameter path: must not exist yet. Throws `SQLiteError`, or `SnapshotError` when it does.
    public init(path: String) throws {
        guard !Files.exists(path) else { throw SnapshotError(path: path, detail: "is there already") }
        self.path = path
        database = try Database(path, .create)
        // A crash leaves a file that nobody looks at, so there is no journal; `finish` syncs. 32 MiB of cache: rows come in
        // key order, so only the right edge of each tree is ever touched again.
        try database.execute(
            """
            PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
            PRAGMA cache_size = -32768; PRAGMA application_id = \(Snapshot.applicationID);
            PRAGMA user_version = \(Snapshot.format);
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
        attendees = try database.prepare("INSERT INTO attendees VALUES (?, ?, ?, ?)")
        passes = try database.prepare("INSERT INTO passes VALUES (?, ?, ?, ?, ?)")
        access = try database.prepare("INSERT INTO access VALUES (?, ?, ?, ?, ?)")
        zones = try database.prepare("INSERT INTO zones VALUES (?, ?, ?)")
        gates = try database.prepare("INSERT INTO gates VALUES (?, ?, ?, ?, ?)")
        scanners = try database.prepare("INSERT INTO scanners VALUES (?, ?)")
        days = try database.prepare("INSERT INTO days VALUES (?, ?, ?)")
        meta = try database.prepare("INSERT INTO meta VALUES (?, ?)")
    }

    /// To be called in order of tag ID. A tag that came before is an error.
    public func add(_ tag: TagID, _ attendee: Attendee) throws {
        try attendees.bind(1, tag.rawValue)
        try attendees.bind(2, attendee.status.rawValue)
        try attendees.bind(3, attendee.pass)
        try attendees.bind(4, attendee.attendee)
        while try attendees.step() {}
    }

    /// The pass alone: its rows of `access` have ids of their own and are added by themselves.
    public func addPass(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Pass.Reentry = .gate
    ) throws {
        try passes.run(.int(id), Value(name), Value(colour), Value(note), .text(reentry.rawValue))
    }

    public func addAccess(id: Int64, pass: Int64, _ access: Access) throws {
        try self.access.run(.int(id), .int(pass), .int(access.zone), Value(access.from), Value(access.until))
    }

    public func add(_ zone: Zone) throws { try zones.run(.int(zone.id), .text(zone.name), Value(zone.parent)) }

    /// - Parameter policy: JSON; checked, and stored as it is. Throws `PolicyError` for one that cannot be.
    public func addGate(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: String = "{}") throws {
        _ = try Policy(json: policy)
        try gates.run(.int(id), .text(name), .int(zone), Value(fromZone), .text(policy))
    }

    /// - Parameter gate: the one it serves unless told otherwise, if any.
    public func addScanner(_ scanner: String, gate: Int64?) throws { try scanners.run(.text(scanner), Value(gate)) }

    public func add(_ day: Day) throws { try days.run(.text(day.day), .int(day.starts), .int(day.ends)) }

    /// Writes `meta`, commits, and brings the file to the disk. The writer is of no use afterwards.
    ///
    /// - Parameters:
    ///   - createdS: seconds since 1970.
    ///   - expiresS: seconds since 1970.
    public func finish(event: String, version: Int64, createdS: Int64, expiresS: Int64) throws {
        for (key, value) in [
            ("created", String(createdS)), ("event", event), ("expires", String(expiresS)),
            ("version", String(version)),
        ] {
            try meta.run(.text(key), .text(value))
        }
        try database.execute("COMMIT")
        try Files.sync(path)
    }
}
