import SQLite
package import ScanModel

/// One open snapshot file: what a gate decides from. Confined to one thread.
///
/// The rows of `attendees` stay on the disk, one indexed look-up a tap; everything else is read into memory at `init`.
package final class Snapshot {
    /// `PRAGMA application_id`: "TPLN".
    package static let applicationID: Int64 = 0x5450_4C4E
    /// `PRAGMA user_version`: the format of SPEC.md section 6.
    package static let format: Int64 = 1

    package let path: String
    package let version: Int64
    /// The event's name.
    package let event: String
    /// Seconds since 1970.
    package let createdS: Int64
    /// Seconds since 1970.
    package let expiresS: Int64
    package let passes: [Int64: Pass]
    package let zones: [Int64: Zone]
    /// Which of them lies within which.
    package let zoneTree: ZoneTree
    package let gates: [Int64: Gate]
    /// The gate that each enabled scanner serves unless told otherwise; nil for one enrolled without a gate.
    package let scanners: [String: Int64?]
    /// In order of their start.
    package let days: [Day]
    /// When they begin.
    package let dayStarts: DayStarts

    private let database: Database
    private let lookup: Statement

    /// Opens with `immutable=1`: the file never changes, so no lock is taken and nothing is written beside it.
    ///
    /// Throws `SnapshotError` for a file of another kind or with rows that cannot be, `SQLiteError` for a damaged one.
    package init(path: String) throws {
        self.path = path
        database = try Database(path, .immutable)
        // 1 MiB: the inner pages of a million attendees' tree (a dozen) stay in memory, and each look-up reads its one leaf
        // from the kernel's cache, about a microsecond. 16 MiB here would save that one, and cost a gate two thirds of its
        // memory, twice while a snapshot is switched.
        try database.execute("PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF")
        try Snapshot.checkKind(database, path)
        let rows = SnapshotRows(database: database, path: path)
        version = try rows.metaNumber("version")
        event = try rows.meta("event")
        createdS = try rows.metaNumber("created")
        expiresS = try rows.metaNumber("expires")
        passes = try rows.passes()
        zones = try rows.zones()
        zoneTree = ZoneTree(zones)
        gates = try rows.gates()
        scanners = try rows.scanners()
        days = try rows.days()
        dayStarts = DayStarts(days)
        // One read transaction for the object's life: without it, every look-up begins one of its own by reading the file's
        // change counter from the disk. Nobody waits for it, as the file never changes.
        try database.execute("BEGIN")
        lookup = try database.prepare("SELECT status, pass, attendee FROM attendees WHERE uid = ?")
    }

    /// The gate's question: one bind, one step down the index, one reset; allocates nothing.
    ///
    /// Nil for a tag that is not on the list. A status that this program does not know counts as void: what it cannot
    /// understand does not open a gate. Throws `SQLiteError` when the file cannot be read.
    package func attendee(_ tag: TagID) throws -> Attendee? {
        try lookup.bind(1, tag.rawValue)
        guard try lookup.step() else { return nil }
        let found = Attendee(
            status: Attendee.Status(rawValue: lookup.int(0)) ?? .void, pass: lookup.int(1), attendee: lookup.int(2))
        lookup.reset()
        return found
    }

    /// Rows of `attendees`, by a walk over the whole table.
    package func count() throws -> Int { Int(try database.int("SELECT count(*) FROM attendees") ?? 0) }

    /// Those among them of a status, as well.
    package func count(_ status: Attendee.Status) throws -> Int {
        Int(try database.int("SELECT count(*) FROM attendees WHERE status = ?", .int(status.rawValue)) ?? 0)
    }

    /// All tags with what is known of them, in order of tag ID: for simulated fleets and for tools, not for gates.
    package func forEachAttendee(_ body: (TagID, Attendee) throws -> Void) throws {
        let all = try database.prepare("SELECT uid, status, pass, attendee FROM attendees ORDER BY uid")
        try all.rows { row in
            try body(
                TagID(rawValue: row.int(0)),
                Attendee(
                    status: Attendee.Status(rawValue: row.int(1)) ?? .void, pass: row.int(2), attendee: row.int(3)))
        }
    }

    /// The day that holds the instant; nil outside all days of the snapshot.
    package func day(atS seconds: Int64) -> Day? { days.last { $0.starts <= seconds && seconds < $0.ends } }

    /// Asks for the first and the last tag of the list, so that a file whose index cannot be walked is found before a
    /// tap finds it. Throws `SQLiteError` or `SnapshotError`.
    package func probe() throws {
        for order in ["ASC", "DESC"] {
            guard let uid = try database.int("SELECT uid FROM attendees ORDER BY uid \(order) LIMIT 1") else { return }
            guard try attendee(TagID(rawValue: uid)) != nil else {
                throw SnapshotError(path: path, detail: "its index does not find its own rows")
            }
        }
    }

    /// Reads the whole file: for one whose rows could not be read in use. Takes a second or two for a million tags. Throws
    /// `SQLiteError` or `SnapshotError`.
    package func check() throws {
        let verdict = try database.text("PRAGMA quick_check(1)") ?? "quick_check says nothing"
        guard verdict == "ok" else { throw SnapshotError(path: path, detail: verdict) }
        try probe()
    }

    private static func checkKind(_ database: Database, _ path: String) throws {
        let application = try database.int("PRAGMA application_id")
        guard application == applicationID else {
            throw SnapshotError(path: path, detail: "not a Tapline snapshot (application_id \(application ?? 0))")
        }
        let format = try database.int("PRAGMA user_version")
        guard format == self.format else {
            throw SnapshotError(path: path, detail: "snapshot format \(format ?? 0), this program reads \(self.format)")
        }
    }
}

/// A file that is no snapshot of ours, or whose rows cannot be.
package struct SnapshotError: Error, CustomStringConvertible, Sendable {
    package let path: String
    package let detail: String

    package init(path: String, detail: String) {
        self.path = path
        self.detail = detail
    }
    package var description: String { "\(path): \(detail)" }
}
