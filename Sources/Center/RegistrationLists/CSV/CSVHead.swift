/// The properties of a CSV file that its first bytes determine: where the text begins, and the separator.
struct CSVHead {
    let separator: UInt8
    /// Offset of the first byte after a byte order mark and a line `sep=;`.
    let start: Int
    /// Number of lines before `start`.
    let linesBefore: Int

    /// Maximum size of a byte order mark and of a line `"sep=;"` with its line end, in bytes.
    static let marksBytes = 12

    private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
    /// In order of preference, if a header has the same number of two of them.
    private static let separators = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]

    /// - Parameter bytes: at least the first line with text, or the whole file.
    /// - Throws: `RowError` if the file is in UTF-16, a spreadsheet or a ZIP file.
    init(_ bytes: [UInt8]) throws(RowError) {
        guard !bytes.starts(with: [0xff, 0xfe]), !bytes.starts(with: [0xfe, 0xff]), !bytes.prefix(4).contains(0) else {
            throw RowError(line: 1, "the file is in UTF-16: save it as CSV in UTF-8")
        }
        // The signature of ZIP files. Spreadsheet files are ZIP files, too.
        guard !bytes.starts(with: Array("PK".utf8)) else {
            throw RowError(line: 1, "the file is a spreadsheet or a ZIP file: save it as CSV in UTF-8")
        }
        let text = bytes.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
        if let end = bytes[text...].prefix(9).firstIndex(where: Self.isLineEnd),
            let declared = Self.declaredSeparator(bytes[text..<end])
        {
            separator = declared
            let isCRLF = bytes[end] == .carriageReturn && bytes.dropFirst(end + 1).first == .lineFeed
            start = end + (isCRLF ? 2 : 1)
            linesBefore = 1
            return
        }
        start = text
        linesBefore = 0
        let line = Self.firstLine(bytes)
        let counts = Self.separators.map { separator in Self.outsideQuotes(line).count { $0 == separator } }
        let most = counts.max() ?? 0
        separator = zip(Self.separators, counts).first { $0.1 == most }?.0 ?? Self.separators[0]
    }

    /// Returns the separator of a line `sep=;`, also in quotes and in capital letters; `nil` for any other line.
    private static func declaredSeparator(_ line: ArraySlice<UInt8>) -> UInt8? {
        let isQuoted = line.count == 7 && line.first == .quote && line.last == .quote
        let text = isQuoted ? line.dropFirst().dropLast() : line
        guard text.count == 5, text.prefix(4).elementsEqual("sep=".utf8, by: { $0 | 0x20 == $1 | 0x20 }) else {
            return nil
        }
        return text.last
    }

    /// Returns whether the bytes hold the first line with text and its line end.
    static func isComplete(_ bytes: [UInt8]) -> Bool { firstLine(bytes).endIndex < bytes.endIndex }

    private static func firstLine(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        guard let start = bytes.firstIndex(where: { !isLineEnd($0) }) else { return bytes[bytes.endIndex...] }
        var isQuoted = false
        let end = bytes[start...].firstIndex { byte in
            if byte == .quote { isQuoted.toggle() }
            return !isQuoted && isLineEnd(byte)
        }
        return bytes[start..<(end ?? bytes.endIndex)]
    }

    private static func outsideQuotes(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var isQuoted = false
        return line.filter { byte in
            if byte == .quote { isQuoted.toggle() }
            return !isQuoted
        }
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == .lineFeed || byte == .carriageReturn }
}
