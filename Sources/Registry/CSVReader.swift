/// Comma-separated values after RFC 4180: quoted fields with doubled quotes, line breaks within quotes, CRLF or LF, and a
/// byte order mark that is passed over. Empty lines are skipped.
///
/// A pure value: bytes in, records out, each with the number of the line that it begins on.
public struct CSVReader {
    /// What is wrong with a line; the records after it are still read where that makes sense.
    public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        public let line: Int
        public let message: String
        public var description: String { "line \(line): \(message)" }

        public init(_ line: Int, _ message: String) { (self.line, self.message) = (line, message) }
    }

    public struct Record: Hashable, Sendable {
        public let line: Int
        public let fields: [String]
    }

    private let bytes: [UInt8]
    private var position: Int
    private var line = 1

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    /// The next record; nil at the end. Throws for a record that is none, and goes on after its line.
    public mutating func next() throws(Problem) -> Record? {
        skipEmptyLines()
        guard position < bytes.count else { return nil }
        let start = line
        var fields: [String] = []
        while true {
            let field: [UInt8]
            if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                field = try quoted(start)
            } else {
                field = plain()
            }
            guard !field.contains(0), let text = String(validating: field, as: UTF8.self) else {
                skipLine()
                throw Problem(start, "not UTF-8 text (or with a NUL byte)")
            }
            fields.append(text)
            guard position < bytes.count else { break }
            if bytes[position] == UInt8(ascii: ",") {
                position += 1
                continue
            }
            if lineBreak() { break }
            skipLine()
            throw Problem(start, "text after a closing quote")
        }
        return Record(line: start, fields: fields)
    }

    private mutating func plain() -> [UInt8] {
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: ","), !isLineBreak() { position += 1 }
        return Array(bytes[start..<position])
    }

    private mutating func quoted(_ start: Int) throws(Problem) -> [UInt8] {
        var field: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return field }
                position += 1
            } else if byte == UInt8(ascii: "\n") {
                line += 1
            }
            field.append(byte)
        }
        throw Problem(start, "a quote is opened and never closed")
    }

    private func isLineBreak() -> Bool {
        bytes[position] == UInt8(ascii: "\n")
            || (bytes[position] == UInt8(ascii: "\r")
                && (position + 1 == bytes.count || bytes[position + 1] == UInt8(ascii: "\n")))
    }

    private mutating func lineBreak() -> Bool {
        guard position < bytes.count, isLineBreak() else { return false }
        position += bytes[position] == UInt8(ascii: "\r") && position + 1 < bytes.count ? 2 : 1
        line += 1
        return true
    }

    private mutating func skipEmptyLines() {
        while lineBreak() {}
    }

    private mutating func skipLine() {
        while position < bytes.count, !lineBreak() { position += 1 }
    }
}
