/// Writes the table of attendees as pages of a SQLite file (https://www.sqlite.org/fileformat2.html).
///
/// This is faster than INSERT, and the pages compress better. SQLite stores each number in as few bytes as possible, so
/// rows differ in length. Each page then has another list of row offsets, which does not compress. Here all rows of a
/// file have the same length. The format allows a number to take more bytes than it needs.
///
/// The pages are for an empty table. SQLite reads and changes them like pages that it wrote, so a delta applies to
/// them.
struct AttendeePages {
    static let pageBytes = 4_096
    /// Offset of the byte at which SQLite locks files. The page that contains it must stay unused, so the file must end
    /// before it.
    static let lockByte = 1 << 30

    /// The page types of table b-trees.
    private static let (leaf, interior): (UInt8, UInt8) = (0x0d, 0x05)
    private static let (leafHeaderBytes, interiorHeaderBytes) = (8, 12)
    /// Maximum size of a cell of an interior page: page number (4), varint key (9), and its offset in the cell list
    /// (2).
    private static let interiorCellBytes = 4 + 9 + 2

    /// The finished leaf pages, in order.
    private(set) var leaves: [UInt8] = []
    private(set) var count = 0
    /// The highest key of each finished leaf.
    private var keys: [Int64] = []
    private var page = Page(leaf, headerBytes: leafHeaderBytes)
    private var last: Int64?
    private var cell: [UInt8] = []

    /// The minimum length of the stored numbers, in bytes.
    private let passBytes: Int
    private let attendeeBytes: Int

    /// - Parameters:
    ///   - largestPass: the largest pass id that will be added. A larger one makes its row longer.
    ///   - largestAttendee: the largest attendee id that will be added, likewise.
    init(largestPass: Int64, largestAttendee: Int64) {
        passBytes = AttendeePages.bytes(for: largestPass)
        attendeeBytes = AttendeePages.bytes(for: largestAttendee)
    }

    /// Appends a row.
    ///
    /// - Returns: `false` if the key is not higher than the last one; the row is not added.
    mutating func add(uid: Int64, status: Int64, pass: Int64, attendee: Int64) -> Bool {
        guard last.map({ $0 < uid }) ?? true else { return false }
        let statusBytes = AttendeePages.bytes(for: status)
        let passBytes = max(passBytes, AttendeePages.bytes(for: pass))
        let attendeeBytes = max(attendeeBytes, AttendeePages.bytes(for: attendee))
        cell.removeAll(keepingCapacity: true)
        cell.append(UInt8(5 + statusBytes + passBytes + attendeeBytes))
        AttendeePages.append(varint: uid, to: &cell)
        // The record header: its length; NULL for the key, which is the row id above; the serial types of the other
        // columns.
        cell.append(5)
        cell.append(0)
        for bytes in [statusBytes, passBytes, attendeeBytes] { cell.append(AttendeePages.serialType(bytes)) }
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

    /// Ends the table.
    ///
    /// - Parameter pages: number of pages of the file so far.
    /// - Returns: the pages to append to the file, and the page that replaces the root of the empty table; `nil` if no
    ///   row was added.
    mutating func finish(behind pages: Int) -> (added: [UInt8], root: [UInt8])? {
        guard count > 0 else { return nil }
        endLeaf()
        if keys.count == 1 { return ([], leaves) }
        var added = leaves
        var children = keys.enumerated().map { (page: UInt32(pages + 1 + $0), key: $1) }
        // A page of `most` cells has `most + 1` children. A level that fits into one page is the root.
        let most = (AttendeePages.pageBytes - AttendeePages.interiorHeaderBytes) / AttendeePages.interiorCellBytes
        while children.count > most + 1 {
            let groups = (children.count + most) / (most + 1)
            var parents: [(page: UInt32, key: Int64)] = []
            for group in 0..<groups {
                // Distribute evenly: an interior page with a single child is invalid.
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

    /// Appends a SQLite varint: 7 bits in each byte, the highest first, and 8 bits in the ninth byte.
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

    /// Returns the smallest of the format's integer sizes that holds the number: 1, 2, 3, 4, 6 or 8 bytes.
    private static func bytes(for value: Int64) -> Int {
        let magnitude = value < 0 ? ~value : value
        if magnitude < 1 << 7 { return 1 }
        if magnitude < 1 << 15 { return 2 }
        if magnitude < 1 << 23 { return 3 }
        if magnitude < 1 << 31 { return 4 }
        return magnitude < 1 << 47 ? 6 : 8
    }

    /// Returns the serial type of an integer of this size.
    private static func serialType(_ bytes: Int) -> UInt8 { bytes <= 4 ? UInt8(bytes) : bytes == 6 ? 5 : 6 }

    /// One page of a b-tree. The list of cell offsets grows from the header upwards, the cells from the end downwards.
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

        /// - Returns: `false` if the cell does not fit.
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
