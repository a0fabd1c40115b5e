import Crypto
import SQLite
import Snapshots

/// Computes the content hash of a snapshot (`SnapshotContent`) while the snapshot is written.
///
/// Rows must be added in key order. The table `access` precedes `attendees` in the hash. All its rows must be added
/// before `attendees` exceeds one piece, because memory does not hold all rows of `attendees`.
struct WrittenContent {
    /// In order of the names, as the hash is defined.
    enum Table: Int, CaseIterable { case access, attendees, days, gates, passes, scanners, zones }

    private var hash = SHA256()
    private var rows = [ContentText](repeating: ContentText(), count: Table.allCases.count)
    private var attendees = ContentText()
    /// Whether the hash contains `access` and a part of `attendees`.
    private var hasBegun = false
    private var isInOrder = true

    mutating func addAttendee(uid: Int64, status: Int64, pass: Int64, attendee: Int64) {
        attendees.append(uid)
        attendees.append(status)
        attendees.append(pass)
        attendees.append(attendee)
        attendees.endRow()
        if attendees.bytes.count > SnapshotContent.pieceBytes { hashAttendees() }
    }

    mutating func add(_ table: Table, _ values: [Value]) {
        if table == .access, hasBegun { isInOrder = false }
        for value in values {
            switch value {
            case .int(let number): rows[table.rawValue].append(number)
            case .text(let text) where !text.utf8.contains(0): rows[table.rawValue].append(text: text.utf8)
            case .null: rows[table.rawValue].appendNull()
            case .text, .blob: isInOrder = false
            }
        }
        rows[table.rawValue].endRow()
    }

    /// Returns the hash in hexadecimal.
    ///
    /// - Returns: `nil` if the rows were not added in the required order, or hold invalid values.
    func finish() -> String? {
        guard isInOrder else { return nil }
        var whole = self
        whole.hashAttendees()
        for table in Table.allCases where table != .access { whole.hash.update(whole.rows[table.rawValue].bytes) }
        return Hex.encode(whole.hash.finish())
    }

    private mutating func hashAttendees() {
        if !hasBegun { hash.update(rows[Table.access.rawValue].bytes) }
        hasBegun = true
        hash.update(attendees.bytes)
        attendees.clear()
    }
}
