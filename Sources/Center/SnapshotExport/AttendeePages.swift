/// The table of attendees as pages of a SQLite file (https://www.sqlite.org/fileformat2.html), made here instead of by INSERT:
/// quicker, and laid out so that they compress.
///
/// SQLite stores a number as short as it can, so rows differ in length, and in each page lies another list of where they
/// begin; those lists do not compress. Here all rows of a file are alike: a number may take more bytes than it needs, as the
/// format allows. That is less to download.
///
/// The pages are for a table that is empty so far. SQLite reads them as its own; a scanner may change them by a delta.
struct AttendeePages {
    static let pageBytes = 4_096
    /// The byte at which SQLite locks files; its page holds nothing, so a file ends before it.
    static let lockByte = 1 << 30

    private static let (leaf, interior): (UInt8, UInt8) = (0x0d, 0x05)
    private static let (leafHeaderBytes, interiorHeaderBytes) = (8, 12)
    /// Page number and a number of nine bytes, and its place in the list.
    private static let interiorCellBytes = 4 + 9 + 2

    /// Finished leaves, one after the other.
    private(set) var leaves: [UInt8] = []
    private(set) var count = 0
    /// Of each finished leaf, its highest key.
    private var keys: [Int64] = []
    private var page = Page(leaf, headerBytes: leafHeaderBytes)
    private var last: Int64?
    private var cell: [UInt8] = []

    /// Bytes that a number takes at least.
    private let (passBytes, attendeeBytes): (Int, Int)

    /// - Parameters:
    ///   - largestPass: of all that will come; larger ones make longer rows.
    ///   - largestAttendee: the same.
    init(largestPass: Int64, largestAttendee: Int64) {
        passBytes = AttendeePages.bytes(for: largestPass)
        attendeeBytes = AttendeePages.bytes(for: largestAttendee)
    }

    /// False for a key that is not higher than the last one.
    mutating func add(_ uid: Int64, _ status: Int64, _ pass: Int64, _ attendee: Int64) -> Bool {
        guard last.map({ $0 < uid }) ?? true else { return false }
        let statusBytes = AttendeePages.bytes(for: status)
        let passBytes = max(passBytes, AttendeePages.bytes(for: pass))
        let attendeeBytes = max(attendeeBytes, AttendeePages.bytes(for: attendee))
        cell.removeAll(keepingCapacity: true)
        cell.append(UInt8(5 + statusBytes + passBytes + attendeeBytes))
        AttendeePages.append(varint: uid, to: &cell)
        // The header: its length; the key, which stands above, as NULL; then the lengths of the others, each by its code.
        cell.append(5)
        cell.append(0)
        for bytes in [statusBytes, passBytes, attendeeBytes] { cell.append(AttendeePages.code(bytes)) }
        AttendeePages.append(status, statusBytes, to: &cell)
        AttendeePages.append(pass, passBytes, to: &cell)
        AttendeePages.append(attendee, attendeeBytes, to: &cell)
        if !page.append(cell) {
            endLeaf()
            _ = page.append(cell)
        }
        last = uid
        count += 1
        return true
    }

    private mutating func endLeaf() {
        guard let last else { return }
        leaves += page.bytes
        keys.append(last)
        page = Page(AttendeePages.leaf, headerBytes: AttendeePages.leafHeaderBytes)
    }

    /// Ends the table: the pages to be put behind the file's, and the one to be put in place of the empty table's. Nil where
    /// nothing was added: the empty table is right.
    ///
    /// - Parameter pages: of the file so far.
    mutating func finish(behind pages: Int) -> (added: [UInt8], root: [UInt8])? {
        guard count > 0 else { return nil }
        endLeaf()
        if keys.count == 1 { return ([], leaves) }
        var added = leaves
        var children = keys.enumerated().map { (page: UInt32(pages + 1 + $0), key: $1) }
        // A page of `most` cells leads to one child more. A level that fits one page is the root.
        let most = (AttendeePages.pageBytes - AttendeePages.interiorHeaderBytes) / AttendeePages.interiorCellBytes
        while children.count > most + 1 {
            let groups = (children.count + most) / (most + 1)
            var parents: [(page: UInt32, key: Int64)] = []
            for group in 0..<groups {
                // Evenly, for a page with a single child is not one.
                let part = children[children.count * group / groups..<children.count * (group + 1) / groups]
                let parent = UInt32(pages + 1 + added.count / AttendeePages.pageBytes)
                added += AttendeePages.parent(of: part)
                if let last = part.last { parents.append((parent, last.key)) }
            }
            children = parents
        }
        return (added, AttendeePages.parent(of: children[...]))
    }

    private static func parent(of children: ArraySlice<(page: UInt32, key: Int64)>) -> [UInt8] {
        var page = Page(interior, headerBytes: interiorHeaderBytes)
        for child in children.dropLast() {
            var cell = (0..<4).map { UInt8(truncatingIfNeeded: child.page >> (24 - 8 * $0)) }
            append(varint: child.key, to: &cell)
            _ = page.append(cell)
        }
        if let last = children.last { page.setRightmost(last.page) }
        return page.bytes
    }

    // MARK: Numbers

    /// SQLite's own variable length: seven bits a byte, the highest first, and eight in the ninth.
    private static func append(varint value: Int64, to bytes: inout [UInt8]) {
        let value = UInt64(bitPattern: value)
        if value >> 56 != 0 {
            for shift in stride(from: 57, through: 8, by: -7) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift) | 0x80)
            }
            bytes.append(UInt8(truncatingIfNeeded: value))
            return
        }
        var shift = 49
        while shift > 0, value >> shift == 0 { shift -= 7 }
        while shift > 0 {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift) | 0x80)
            shift -= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value) & 0x7f)
    }

    private static func append(_ value: Int64, _ count: Int, to bytes: inout [UInt8]) {
        for byte in 1...count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * (count - byte)))) }
    }

    /// How many bytes a number needs, of those that the format knows.
    private static func bytes(for value: Int64) -> Int {
        let magnitude = value < 0 ? ~value : value
        if magnitude < 1 << 7 { return 1 }
        if magnitude < 1 << 15 { return 2 }
        if magnitude < 1 << 23 { return 3 }
        if magnitude < 1 << 31 { return 4 }
        return magnitude < 1 << 47 ? 6 : 8
    }

    /// The serial type.
    private static func code(_ bytes: Int) -> UInt8 { bytes <= 4 ? UInt8(bytes) : bytes == 6 ? 5 : 6 }

    /// One page of a tree: the list of places grows from the header down, the cells from the end up.
    private struct Page {
        private(set) var bytes: [UInt8]
        private var count = 0
        private var listEnd: Int
        private var cellsStart = AttendeePages.pageBytes

        init(_ kind: UInt8, headerBytes: Int) {
            bytes = [UInt8](repeating: 0, count: AttendeePages.pageBytes)
            bytes[0] = kind
            listEnd = headerBytes
        }

        /// False when there is no room.
        mutating func append(_ cell: [UInt8]) -> Bool {
            guard listEnd + 2 + cell.count <= cellsStart else { return false }
            cellsStart -= cell.count
            for (offset, byte) in cell.enumerated() { bytes[cellsStart + offset] = byte }
            count += 1
            set16(listEnd, cellsStart)
            listEnd += 2
            set16(3, count)
            set16(5, cellsStart)
            return true
        }

        mutating func setRightmost(_ page: UInt32) {
            set16(8, Int(page >> 16))
            set16(10, Int(page & 0xffff))
        }

        private mutating func set16(_ at: Int, _ value: Int) {
            bytes[at] = UInt8(truncatingIfNeeded: value >> 8)
            bytes[at + 1] = UInt8(truncatingIfNeeded: value)
        }
    }
}
