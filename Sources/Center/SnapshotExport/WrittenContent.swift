import Crypto
import SQLite
import Snapshots

/// The content of a snapshot (`SnapshotContent`) while it is written, without reading it again. Rows come in key order. Only
/// those of `access`, the table before, must all have come before the many of `attendees`.
struct WrittenContent {
    /// By name, as the content is defined.
    enum Table: Int, CaseIterable { case access, attendees, days, gates, passes, scanners, zones }

    private var hash = SHA256()
    private var rows = [ContentText](repeating: ContentText(), count: Table.allCases.count)
    private var attendees = ContentText()
    /// `access` is in the hash, and some of `attendees`.
    private var hasBegun = false
    private var isInOrder = true

    mutating func addAttendee(_ uid: Int64, _ status: Int64, _ pass: Int64, _ attendee: Int64) {
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

    /// Nil when the rows did not come as they must.
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
