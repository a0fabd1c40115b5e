import FileSystem

/// Comma-separated values after RFC 4180, fed in pieces of any size: quoted fields with doubled quotes, line breaks
/// within quotes; lines end with CRLF, LF or CR. What spreadsheets make of it is taken too: a byte order mark, a first
/// line `sep=;`, semicolons or tabs instead of commas (as the header has them), blanks in front of a quote, empty lines
/// and lines of separators alone.
///
/// A pure value: bytes in, records out, each with the number of the line that it begins on. It holds one record, and
/// the header.
package struct CSVReader {
    /// Longest field and longest header, in bytes: an open quote must not swallow a file of a gigabyte.
    package static let fieldLimitBytes = 65_536

    /// The fields of one record.
    package struct Record: Sendable {
        package fileprivate(set) var line = 1
        fileprivate var bytes: [UInt8] = []
        fileprivate var ends: [Int] = []

        package var count: Int { ends.count }

        /// A field without blanks at its ends; nil when nothing is left.
        package func cell(_ index: Int) -> String? {
            var (start, end) = (index == 0 ? 0 : ends[index - 1], ends[index])
            while start < end, CSVReader.isBlank(bytes[start]) { start += 1 }
            while end > start, CSVReader.isBlank(bytes[end - 1]) { end -= 1 }
            return start == end ? nil : String(decoding: bytes[start..<end], as: UTF8.self)
        }

        package var cells: [String?] { ends.indices.map(cell) }
    }

    package enum Item {
        case record(Record)
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

    package init() {}

    /// All of a file; `-` is standard input. Throws `SystemError`, and what `read` throws.
    package static func read(file path: String, _ each: (Item) throws -> Void) throws {
        var reader = CSVReader()
        try Files.readChunks(path == "-" ? "/dev/stdin" : path) { try reader.read($0, each) }
        try reader.finish(each)
    }

    /// Takes a piece, and gives what was completed by it. Throws `RowError` for a file that is no such text at all,
    /// and what `each` throws.
    package mutating func read(_ piece: ArraySlice<UInt8>, _ each: (Item) throws -> Void) throws {
        guard separator == nil else { return try parse(piece, each) }
        head += piece
        guard head.count > Self.fieldLimitBytes || CSVHead.isComplete(head) else { return }
        try begin(each)
    }

    /// The end of the file.
    package mutating func finish(_ each: (Item) throws -> Void) throws {
        if separator == nil { try begin(each) }
        switch state {
        case .quoted: try fail("a quote is opened and never closed", each)
        case .fieldStart where record.ends.isEmpty && record.bytes.isEmpty: break
        case .fieldStart, .plain, .quoteSeen:
            endField()
            try endRecord(each)
        case .skipping: break
        }
    }

    private mutating func begin(_ each: (Item) throws -> Void) throws {
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
                // The second half of a line end that was counted.
                afterCR = false
                if byte == .lineFeed {
                    at += 1
                    continue
                }
            }
            switch state {
            case .fieldStart:
                // Blanks in front of a quote must not make it a part of the text; cells have none at their ends anyway.
                if byte != separator, Self.isBlank(byte) {
                    at += 1
                    continue
                }
                state = byte == .quote ? .quoted : .plain
                if byte == .quote { at += 1 }
            case .plain:
                let end = bytes[at...].firstIndex { $0 == separator || $0 == .lineFeed || $0 == .carriageReturn }
                at = try take(bytes[at..<(end ?? bytes.endIndex)], each)
                guard let end, state == .plain else { continue }
                try endPlain(bytes[end], each)
                at += 1
            case .quoted:
                let end = bytes[at...].firstIndex(of: .quote)
                at = try take(bytes[at..<(end ?? bytes.endIndex)], each)
                guard end != nil, state == .quoted else { continue }
                (state, afterCR) = (.quoteSeen, false)
                at += 1
            case .quoteSeen:
                at += 1
                if byte == .quote {
                    state = .quoted
                    _ = try take([byte], each)
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

    /// The separator or line end behind a field.
    private mutating func endPlain(_ byte: UInt8, _ each: (Item) throws -> Void) throws {
        endField()
        state = .fieldStart
        guard byte != separator else { return }
        try endRecord(each)
        startRecord(after: byte)
    }

    /// Adds to the field what there is room for; gives the index behind it.
    private mutating func take(_ part: ArraySlice<UInt8>, _ each: (Item) throws -> Void) throws -> Int {
        let fitting = part.prefix(Self.fieldLimitBytes - (record.bytes.count - fieldStart))
        if state == .quoted { countLines(fitting) }
        record.bytes += fitting
        if fitting.count < part.count {
            let cause = state == .plain ? "" : ": is a quote opened and never closed?"
            try fail("a field of more than \(Self.fieldLimitBytes) bytes\(cause)", each)
        }
        return fitting.endIndex
    }

    private mutating func endField() {
        record.ends.append(record.bytes.count)
        fieldStart = record.bytes.count
    }

    private mutating func endRecord(_ each: (Item) throws -> Void) throws {
        guard !record.bytes.isEmpty else { return }
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

    /// Gives the record up; what is left of its line is passed over.
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
