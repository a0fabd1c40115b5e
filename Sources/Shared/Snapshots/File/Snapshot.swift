package import ErrorModel
import SQLite
package import ScanModel

/// An open snapshot file, from which a gate decides. Confined to one thread.
///
/// The rows of `attendees` stay on the disk, with one indexed look-up per tap. All other tables are read into memory by
/// `init`.
package final class Snapshot {
    /// `PRAGMA application_id`: "TPLN".
    package static let applicationID: Int64 = 0x5450_4C4E
    /// `PRAGMA user_version`: the format of contract.md section 6.
    package static let format: Int64 = 1

    /// Path of the file.
    package let path: String
    /// Version of the snapshot, from 1.
    package let version: Int64
    /// The event's name, which may change.
    package let event: String
    /// The event's UUID in lower case; `nil` in a snapshot of an older program.
    package let eventID: String?
    /// `EventKey.fingerprint` of the event; `nil` if the registry did not know the key, or an older program wrote it.
    package let keyFingerprint: String?
    /// Seconds since 1970.
    package let createdS: Int64
    /// Seconds since 1970.
    package let expiresS: Int64
    /// The event's rule for codes, which the tag IDs of codes were made with.
    package let codeCase: CodeCase
    /// By pass ID.
    package let passes: [Int64: Pass]
    /// By zone ID.
    package let zones: [Int64: Zone]
    /// The nesting of `zones`.
    package let zoneTree: ZoneTree
    /// By gate ID.
    package let gates: [Int64: Gate]
    /// The default gate of each enabled scanner; `nil` for a scanner enrolled without a gate.
    package let scanners: [String: Int64?]
    /// The days of the event, in order of their start.
    package let days: [Day]
    /// The starts of `days`.
    package let dayStarts: DayStarts

    private let database: Database
    private let lookup: Statement

    /// Opens a snapshot file with `immutable=1`: the file never changes, so SQLite takes no lock and writes nothing
    /// beside it.
    ///
    /// - Throws: `SnapshotError` for a file of another kind or with invalid rows, `SQLiteError` for a damaged one.
    package init(path: String) throws {
        self.path = path
        database = try Database(path, .immutable)
        // 1 MiB keeps the inner pages of a tree of a million attendees (a dozen) in memory. Each look-up reads its leaf
        // page from the kernel's cache, about a microsecond. 16 MiB would save that microsecond and take two thirds of
        // a gate's memory, twice that while snapshots are switched.
        try database.execute("PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF")
        try Snapshot.checkKind(database, path)
        let rows = SnapshotRows(database: database, path: path)
        version = try rows.metaNumber("version", in: 0..<Bounds.uint)
        event = try rows.meta("event")
        eventID = try rows.optionalMeta("event_id", EventIdentity.isID)
        keyFingerprint = try rows.optionalMeta("key", EventKey.isFingerprint)
        createdS = try rows.metaNumber("created", in: Bounds.timesS)
        expiresS = try rows.metaNumber("expires", in: Bounds.timesS)
        codeCase = try rows.codeCase()
        passes = try rows.passes()
        zones = try rows.zones()
        zoneTree = ZoneTree(zones)
        gates = try rows.gates()
        scanners = try rows.scanners()
        days = try rows.days()
        dayStarts = DayStarts(days)
        // One read transaction for the object's lifetime. Without it, every look-up starts a transaction and reads the
        // file's change counter from the disk. It blocks no writer, because the file never changes.
        try database.execute("BEGIN")
        lookup = try database.prepare("SELECT status, pass, attendee FROM attendees WHERE uid = ?")
    }

    /// Returns whether the snapshot states an event key, and it is another one.
    ///
    /// - Parameter fingerprint: `EventKey.fingerprint`; `nil`: no key, and the result is `false`.
    package func isOfOtherKey(than fingerprint: String?) -> Bool {
        guard let fingerprint, let keyFingerprint else { return false }
        return fingerprint != keyFingerprint
    }

    /// The event's UUID and name.
    package var identity: EventIdentity { EventIdentity(name: event, id: eventID) }

    /// Looks up a tag: one bind, one step down the index, one reset. Allocates nothing.
    ///
    /// A status that this program does not know counts as void, so that it opens no gate.
    ///
    /// - Returns: `nil` for a tag that is not in the snapshot.
    /// - Throws: `SQLiteError` if the file cannot be read.
    package func attendee(_ tag: TagID) throws -> Attendee? {
        try lookup.bind(1, tag.rawValue)
        guard try lookup.step() else { return nil }
        let found = Attendee(
            status: Attendee.Status(rawValue: lookup.int(0)) ?? .void, pass: lookup.int(1), attendee: lookup.int(2))
        lookup.reset()
        return found
    }

    /// Returns the number of rows in `attendees`. Reads the whole table.
    ///
    /// - Throws: `SQLiteError`.
    package func count() throws -> Int { Int(try database.int("SELECT count(*) FROM attendees") ?? 0) }

    /// Returns the number of rows in `attendees` with a status. Reads the whole table.
    ///
    /// - Throws: `SQLiteError`.
    package func count(_ status: Attendee.Status) throws -> Int {
        Int(try database.int("SELECT count(*) FROM attendees WHERE status = ?", .int(status.rawValue)) ?? 0)
    }

    /// Calls `body` for all rows of `attendees` in order of tag ID. For simulated fleets and tools, not for gates.
    ///
    /// - Throws: `SQLiteError`, and errors of `body`.
    package func forEachAttendee(_ body: (TagID, Attendee) throws -> Void) throws {
        let all = try database.prepare("SELECT uid, status, pass, attendee FROM attendees ORDER BY uid")
        try all.rows { row in
            try body(
                TagID(rawValue: row.int(0)),
                Attendee(
                    status: Attendee.Status(rawValue: row.int(1)) ?? .void, pass: row.int(2), attendee: row.int(3)))
        }
    }

    /// Looks up the first and the last tag. This detects a file with an unreadable index before the first tap.
    ///
    /// - Throws: `SQLiteError` or `SnapshotError`.
    package func probe() throws {
        for order in ["ASC", "DESC"] {
            guard let uid = try database.int("SELECT uid FROM attendees ORDER BY uid \(order) LIMIT 1") else { return }
            guard try attendee(TagID(rawValue: uid)) != nil else {
                throw SnapshotError(path: path, detail: "its index does not find its own rows")
            }
        }
    }

    /// Checks the whole file, after its rows could not be read in use. Takes one to two seconds for a million tags.
    ///
    /// - Throws: `SQLiteError` or `SnapshotError`.
    package func check() throws {
        let result = try database.text("PRAGMA quick_check(1)") ?? "quick_check gave no result"
        guard result == "ok" else { throw SnapshotError(path: path, detail: result) }
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

/// A file that is not a Tapline snapshot, or that has invalid rows.
package struct SnapshotError: OperationError {
    /// Path of the file.
    package let path: String
    /// What is wrong with the file.
    package let detail: String

    /// Creates an error.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - detail: what is wrong with it.
    package init(path: String, detail: String) {
        self.path = path
        self.detail = detail
    }

    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
    /// The path and the detail.
    package var description: String { "\(path): \(detail)" }
}
