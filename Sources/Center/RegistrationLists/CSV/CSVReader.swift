import FileSystem

/// Parses comma-separated values (RFC 4180) from pieces of any size.
///
/// It accepts quoted fields with doubled quotes and line breaks; lines end with CRLF, LF or CR. It also accepts the
/// variants that spreadsheets write:
/// - a byte order mark, or a first line `sep=;`
/// - semicolons or tabs instead of commas, determined from the header
/// - blanks before a quote
/// - empty lines, and lines that hold only separators; they are skipped
///
/// A pure value: it maps bytes to records. It holds at most one record, or the header. So the limits of a record bound
/// its memory, whatever the file.
struct CSVReader {
    /// Maximum length of a field and of the header, in bytes. It bounds the memory that a quote which is never closed
    /// can take: without it, the rest of the file would become one field.
    static let fieldLimitBytes = 65_536
    /// Maximum number of fields of a record: the columns of a spreadsheet. A row may hold as many separators.
    static let fieldsLimit = 16_384
    /// Maximum length of a record without its separators and quotes, in bytes.
    static let recordLimitBytes = 1 << 20

    /// The fields of one record.
    struct Record: Sendable {
        /// Number of the line that the record begins on, from 1.
        fileprivate(set) var line = 1
        fileprivate var bytes: [UInt8] = []
        fileprivate var ends: [Int] = []
        /// Whether the file ends without a line end after the record.
        fileprivate(set) var isUnterminated = false

        var count: Int { ends.count }

        /// Returns a field without the blanks at both ends, or `nil` if nothing is left or the record is shorter.
        func cell(_ index: Int) -> String? {
            guard index < ends.count else { return nil }
            var (start, end) = (index == 0 ? 0 : ends[index - 1], ends[index])
            while start < end, CSVReader.isBlank(bytes[start]) { start += 1 }
            while end > start, CSVReader.isBlank(bytes[end - 1]) { end -= 1 }
            return start == end ? nil : String(decoding: bytes[start..<end], as: UTF8.self)
        }

        var cells: [String?] { ends.indices.map(cell) }
    }

    enum Item {
        case record(Record)
        /// A record that cannot be parsed. The reader continues with the next line.
        case problem(RowError)
    }

    private enum State { case fieldStart, plain, quoted, quoteSeen, skipping }

    private var separator: UInt8?
    private var head: [UInt8] = []
    private var state = State.fieldStart
    private var record = Record()
    private var fieldStart = 0
    private var line = 1
    private var afterCR = false

    init() {}

    /// Reads a whole file.
    ///
    /// - Parameters:
    ///   - path: the file; `-` is standard input.
    ///   - each: receives the records in order.
    /// - Throws: `SystemError`, `RowError` if the file is not CSV text, and the errors of `each`.
    static func read(file path: String, _ each: (Item) throws -> Void) throws {
        var reader = CSVReader()
        try Files.readChunks(inputPath(path)) { try reader.read($0, each) }
        try reader.finish(each)
    }

    /// Parses the next piece, and reports the records that it completes.
    ///
    /// - Throws: `RowError` if the file is not CSV text, and the errors of `each`.
    mutating func read(_ piece: ArraySlice<UInt8>, _ each: (Item) throws -> Void) throws {
        guard separator == nil else { return try parse(piece, each) }
        head += piece
        guard head.count > Self.fieldLimitBytes || CSVHead.isComplete(head) else { return }
        // A pipe can end a piece within the marks before the header.
        guard head.count >= CSVHead.marksBytes else { return }
        try begin(each)
    }

    /// Ends the file, and reports its last record.
    ///
    /// - Throws: as `read`.
    mutating func finish(_ each: (Item) throws -> Void) throws {
        if separator == nil { try begin(each) }
        switch state {
        case .quoted: try fail("a quote is opened and never closed", each)
        case .fieldStart where record.ends.isEmpty && record.bytes.isEmpty: break
        case .fieldStart, .plain, .quoteSeen:
            endField()
            record.isUnterminated = true
            try endRecord(each)
        case .skipping: break
        }
    }

    private mutating func begin(_ each: (Item) throws -> Void) throws {
        let isMarked = head.starts(with: [0xEF, 0xBB, 0xBF])
        if let problem = FormatGuess.jsonProblem(head.dropFirst(isMarked ? 3 : 0)) { throw problem }
        let found = try CSVHead(head)
        separator = found.separator
        line += found.linesBefore
        record.line = line
        let bytes = head
        head = []
        try parse(bytes[found.start...], each)
    }

    private mutating func parse(_ bytes: ArraySlice<UInt8>, _ each: (Item) throws -> Void) throws {
        var at = bytes.startIndex
        while at < bytes.endIndex {
            let byte = bytes[at]
            if afterCR, state != .quoted {
                // The line feed of a CRLF whose carriage return was counted already.
                afterCR = false
                if byte == .lineFeed {
                    at += 1
                    continue
                }
            }
            switch state {
            case .fieldStart:
                // Skip blanks, so that a quote after them still opens a quoted field. `cell` trims blanks in any case.
                if byte != separator, Self.isBlank(byte) {
                    at += 1
                    continue
                }
                state = byte == .quote ? .quoted : .plain
                if byte == .quote { at += 1 }
            case .plain:
                let end = bytes[at...].firstIndex { $0 == separator || $0 == .lineFeed || $0 == .carriageReturn }
                at = try append(bytes[at..<(end ?? bytes.endIndex)], each)
                guard let end, state == .plain else { continue }
                try endPlain(bytes[end], each)
                at += 1
            case .quoted:
                let end = bytes[at...].firstIndex(of: .quote)
                at = try append(bytes[at..<(end ?? bytes.endIndex)], each)
                guard end != nil, state == .quoted else { continue }
                (state, afterCR) = (.quoteSeen, false)
                at += 1
            case .quoteSeen:
                at += 1
                if byte == .quote {
                    state = .quoted
                    _ = try append([byte], each)
                } else if byte == separator || byte == .lineFeed || byte == .carriageReturn {
                    try endPlain(byte, each)
                } else {
                    try fail("text after a closing quote", each)
                }
            case .skipping:
                let end = bytes[at...].firstIndex { $0 == .lineFeed || $0 == .carriageReturn }
                at = end.map { $0 + 1 } ?? bytes.endIndex
                if let end { startRecord(after: bytes[end]) }
            }
        }
    }

    /// Ends a field at a separator or at a line end.
    private mutating func endPlain(_ byte: UInt8, _ each: (Item) throws -> Void) throws {
        endField()
        state = .fieldStart
        guard byte != separator else {
            guard record.count < Self.fieldsLimit else {
                return try fail("more than \(Self.fieldsLimit) fields", each)
            }
            return
        }
        try endRecord(each)
        startRecord(after: byte)
    }

    /// Appends bytes to the current field, up to the limit.
    ///
    /// - Returns: the index after the appended bytes.
    private mutating func append(_ part: ArraySlice<UInt8>, _ each: (Item) throws -> Void) throws -> Int {
        let fieldBytes = record.bytes.count - fieldStart
        let fitting = part.prefix(min(Self.fieldLimitBytes - fieldBytes, Self.recordLimitBytes - record.bytes.count))
        if state == .quoted { countLines(fitting) }
        record.bytes += fitting
        if fitting.count < part.count {
            let cause = state == .plain ? "" : ": is a quote opened and never closed?"
            let isField = fieldBytes + fitting.count == Self.fieldLimitBytes
            let what = isField ? "a field of more than \(Self.fieldLimitBytes)" : "more than \(Self.recordLimitBytes)"
            try fail("\(what) bytes\(cause)", each)
        }
        return fitting.endIndex
    }

    private mutating func endField() {
        record.ends.append(record.bytes.count)
        fieldStart = record.bytes.count
    }

    private mutating func endRecord(_ each: (Item) throws -> Void) throws {
        // 1A is the end of a file of DOS.
        guard !record.bytes.isEmpty, record.bytes != [0x1A] else { return }
        if let problem = Self.textProblem(record) {
            try each(.problem(RowError(line: record.line, problem)))
        } else {
            try each(.record(record))
        }
    }

    private mutating func startRecord(after byte: UInt8) {
        line += 1
        afterCR = byte == .carriageReturn
        state = .fieldStart
        record.bytes.removeAll(keepingCapacity: true)
        record.ends.removeAll(keepingCapacity: true)
        fieldStart = 0
        record.line = line
    }

    /// Rejects the current record and skips the rest of its line.
    private mutating func fail(_ message: String, _ each: (Item) throws -> Void) throws {
        state = .skipping
        afterCR = false
        try each(.problem(RowError(line: record.line, message)))
    }

    private mutating func countLines(_ part: ArraySlice<UInt8>) {
        for byte in part {
            if byte == .carriageReturn || (byte == .lineFeed && !afterCR) { line += 1 }
            afterCR = byte == .carriageReturn
        }
    }

    private static func textProblem(_ record: Record) -> String? {
        guard record.bytes.contains(where: { $0 == 0 || $0 >= 0x80 }) else { return nil }
        guard !record.bytes.contains(0) else { return "a NUL byte: this is not CSV, or it is in UTF-16" }
        var start = 0
        for end in record.ends {
            let field = record.bytes[start..<end]
            if String(validating: field, as: UTF8.self) == nil {
                return
                    "'\(String(decoding: field.prefix(40), as: UTF8.self))' is not UTF-8 text "
                    + "(Latin-1, Windows-1252?): save the file as CSV in UTF-8"
            }
            start = end
        }
        return nil
    }

    fileprivate static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
}

extension UInt8 {
    static let quote = UInt8(ascii: "\"")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
}
