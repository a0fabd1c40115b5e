import LinuxSystem
import ScanModel

/// Finds the rows of a journal in bytes that need not be a valid database: a corrupt file, its WAL, a fragment.
///
/// SQLite writes a row as payload length, rowid, a header of types, and values ("Database File Format", section 2.1).
/// The rows of a journal have few shapes, and in each shape the lengths must add up. Therefore every offset is tried,
/// and neither pages nor pointers need to be intact. A found row is readable but not proven, because a page has no
/// checksum.
enum RecordCarver {
    enum Record: Equatable {
        case scan(id: Int64, Scan)
        case journal(id: Int64, JournalID, scanner: ScannerID, createdMs: Int64)
        /// From the index over the journal IDs, for a journal whose own row is lost.
        case journalID(id: Int64, JournalID)
        case reason(id: Int64, String)
        /// The monotonic time of a scan under an untrusted clock.
        case clock(id: Int64, ms: Int64, BootID)
        /// Only from intact pages: these rows are too short to be recognised elsewhere, and a center does not need
        /// them.
        case counter(tag: Int64, Int64)
        case remembered(id: Int64, Scan)
    }

    /// Maximum length of a row in bytes: a reason of 500 characters of 4 bytes, and its header.
    static let longestRow = 2_100

    /// Calls `body` for each row that begins in `range` and ends in `bytes`.
    static func carve(_ bytes: ArraySlice<UInt8>, in range: Range<Int>, _ body: (Record) throws -> Void) rethrows {
        for start in range {
            // The cheapest test comes first, because most offsets fail it.
            guard bytes[start] >= 5, let record = record(bytes, start) else { continue }
            try body(record)
        }
    }

    /// Calls `body` for the rows to which a leaf page of a table points: the rows in use.
    ///
    /// Between them, a page may hold rows of earlier use whose ends are overwritten, although their lengths still add
    /// up.
    static func referencedRecords(_ page: ArraySlice<UInt8>, _ body: (Record) throws -> Void) rethrows {
        func number(_ offset: Int) -> Int {
            Int(page[page.startIndex + offset]) << 8 | Int(page[page.startIndex + offset + 1])
        }
        guard page.first == leafType, page.count >= leafHead else { return }
        for index in 0..<min(number(3), (page.count - leafHead) / 2) {
            let cell = number(leafHead + 2 * index)
            guard cell < page.count else { continue }
            let start = page.startIndex + cell
            if let record = record(page, start) ?? stateRow(page, start) { try body(record) }
        }
    }

    /// Returns whether a page has the type of a table's leaf.
    static func isLeaf(_ page: ArraySlice<UInt8>) -> Bool { page.first == leafType }

    private static let leafType: UInt8 = 0x0d
    private static let leafHead = 8

    private static func record(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Record? {
        var reader = Reader(bytes: bytes, at: start)
        guard let length = reader.varint(), length >= 5, length <= Int64(longestRow) else { return nil }
        if let entry = indexEntry(reader, Int(length)) { return entry }
        guard let rowid = reader.varint(), rowid > 0, let header = reader.peek(), (3...8).contains(header),
            reader.peek(1) == 0
        else { return nil }
        let end = reader.at + Int(length)
        guard end <= bytes.endIndex else { return nil }
        var values = reader
        values.at += Int(header)
        reader.at += 2
        switch header {
        case 8: return scan(rowid, &reader, &values, end)
        case 5, 6: return journal(rowid, &reader, &values, end, headerEnd: values.at)
        default:
            if header == 4, let clock = clock(rowid, reader, values, end) { return clock }
            return reason(rowid, &reader, &values, end, headerEnd: values.at)
        }
    }

    /// Parses a row of `counters` or of `remembered`.
    private static func stateRow(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Record? {
        var reader = Reader(bytes: bytes, at: start)
        guard let length = reader.varint(), (3...longestStateRow).contains(length), let rowid = reader.varint(),
            let header = reader.peek(), header == 3 || header == 7, reader.peek(1) == 0
        else { return nil }
        let end = reader.at + Int(length)
        guard end <= bytes.endIndex else { return nil }
        var values = reader
        values.at += Int(header)
        reader.at += 2
        var numbers: [Int64?] = []
        for _ in 2..<header {
            guard let type = reader.byte(), let size = intSize(type), values.at + size <= end else { return nil }
            numbers.append(type == 0 ? nil : values.int(type, size))
        }
        guard values.at == end, let first = numbers[0], (0..<Bounds.uint).contains(first) else { return nil }
        if header == 3 { return .counter(tag: rowid, first) }
        guard Bounds.timesMs.contains(first), let tag = numbers[1], let verdict = numbers[2], let flags = numbers[3],
            (0...255).contains(verdict), (0...255).contains(flags), (0..<Bounds.uint).contains(numbers[4] ?? 0)
        else { return nil }
        return .remembered(
            id: rowid,
            Scan(
                seq: 0, atMs: first, tag: TagID(rawValue: tag), verdict: Verdict(rawValue: UInt8(verdict)),
                flags: Flags(rawValue: UInt8(flags)), gate: numbers[4], snapshot: 0))
    }

    /// Maximum payload in bytes: five values of 8 bytes, and their header.
    private static let longestStateRow: Int64 = 7 + 5 * 8

    private static func scan(_ id: Int64, _ types: inout Reader, _ values: inout Reader, _ end: Int) -> Record? {
        guard id >> 32 > 0, id & JournalFile.seqLimit > 0 else { return nil }
        var numbers: [Int64?] = []
        numbers.reserveCapacity(6)
        for _ in 0..<6 {
            guard let type = types.byte(), let size = intSize(type), values.at + size <= end else { return nil }
            numbers.append(type == 0 ? nil : values.int(type, size))
        }
        guard values.at == end, let atMs = numbers[0], Bounds.timesMs.contains(atMs), let tag = numbers[1],
            let verdict = numbers[2], let flags = numbers[3], let snapshot = numbers[5],
            (0...255).contains(verdict), (0...255).contains(flags), (0..<Bounds.uint).contains(snapshot),
            (0..<Bounds.uint).contains(numbers[4] ?? 0)
        else { return nil }
        return .scan(
            id: id,
            Scan(
                seq: id & JournalFile.seqLimit, atMs: atMs, tag: TagID(rawValue: tag),
                verdict: Verdict(rawValue: UInt8(verdict)), flags: Flags(rawValue: UInt8(flags)), gate: numbers[4],
                snapshot: snapshot))
    }

    /// Serial type of a blob of 16 bytes: the ID of a journal or of a boot.
    private static let idType: UInt8 = 12 + 2 * 16

    private static func journal(
        _ id: Int64, _ types: inout Reader, _ values: inout Reader, _ end: Int, headerEnd: Int
    ) -> Record? {
        guard types.byte() == idType, let name = types.varint(), name >= 13, name % 2 == 1,
            let created = types.byte(), types.at == headerEnd, created != 0, let size = intSize(created),
            values.at + 16 + Int(name - 13) / 2 + size == end,
            let journalID = JournalID(values.take(16)),
            let scanner = ScannerID(String(decoding: values.take(Int(name - 13) / 2), as: UTF8.self))
        else { return nil }
        return .journal(id: id, journalID, scanner: scanner, createdMs: values.int(created, size))
    }

    private static func clock(_ id: Int64, _ typeReader: Reader, _ valueReader: Reader, _ end: Int) -> Record? {
        var (types, values) = (typeReader, valueReader)
        guard id >> 32 > 0, id & JournalFile.seqLimit > 0, let type = types.byte(), type != 0,
            let size = intSize(type), types.byte() == idType, values.at + size + 16 == end
        else { return nil }
        let ms = values.int(type, size)
        return ms < 0 ? nil : .clock(id: id, ms: ms, BootID(bytes: Array(values.take(16))))
    }

    private static func reason(
        _ id: Int64, _ types: inout Reader, _ values: inout Reader, _ end: Int, headerEnd: Int
    ) -> Record? {
        guard id >> 32 > 0, let type = types.varint(), type >= 13, type % 2 == 1, types.at == headerEnd,
            values.at + Int(type - 13) / 2 == end,
            let text = String(validating: values.take(end - values.at), as: UTF8.self)
        else { return nil }
        return .reason(id: id, text)
    }

    /// Parses an entry of the index over `journals.log`: no rowid in front, the number of the journal at the end.
    private static func indexEntry(_ start: Reader, _ length: Int) -> Record? {
        var reader = start
        let end = reader.at + length
        guard reader.byte() == 3, reader.byte() == idType, let type = reader.byte(), type != 0, type != 8,
            let size = intSize(type), length == 3 + 16 + size, end <= reader.bytes.endIndex,
            let journalID = JournalID(reader.take(16))
        else { return nil }
        let id = reader.int(type, size)
        return id > 0 && journalID.high & 0xf000 == 0x4000 ? .journalID(id: id, journalID) : nil
    }

    /// Returns the size in bytes of a value of an integer's serial type, or `nil` for another type.
    private static func intSize(_ type: UInt8) -> Int? {
        switch type {
        case 0, 8, 9: 0
        case 1...4: Int(type)
        case 5: 6
        case 6: 8
        default: nil
        }
    }

    private struct Reader {
        let bytes: ArraySlice<UInt8>
        var at: Int

        func peek(_ ahead: Int = 0) -> UInt8? { at + ahead < bytes.endIndex ? bytes[at + ahead] : nil }

        mutating func byte() -> UInt8? {
            guard at < bytes.endIndex else { return nil }
            defer { at += 1 }
            return bytes[at]
        }

        /// Reads an integer of variable length: big-endian, 7 bits a byte, 8 bits in the ninth.
        mutating func varint() -> Int64? {
            var value: UInt64 = 0
            for index in 0..<9 {
                guard let byte = byte() else { return nil }
                if index == 8 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
                value = value << 7 | UInt64(byte & 0x7f)
                if byte < 0x80 { return Int64(bitPattern: value) }
            }
            return nil
        }

        mutating func int(_ type: UInt8, _ size: Int) -> Int64 {
            if size == 0 { return type == 9 ? 1 : 0 }
            var value: Int64 = bytes[at] >= 0x80 ? -1 : 0
            for _ in 0..<size {
                value = value << 8 | Int64(bytes[at])
                at += 1
            }
            return value
        }

        mutating func take(_ count: Int) -> ArraySlice<UInt8> {
            let end = min(at + count, bytes.endIndex)
            defer { at = end }
            return bytes[at..<end]
        }
    }
}
