import Runtime
package import ScanModel

/// A tap as a line of text: `<uid hex>[,<in|out>[,<RFC 3339 time>]]` (contract.md section 8).
///
/// The UID is 1 to 32 bytes, in hex of either case, with or without colons between the bytes. A line without a
/// direction, or with an empty one, has the direction of the reader.
package struct TapLine: Hashable, Sendable {
    /// Chips have UIDs of 4, 7 or 10 bytes; other readers may have other lengths.
    package static let uidBytes = 1...32

    /// The UID of the chip, 1 to 32 bytes.
    package let uid: [UInt8]
    /// The direction of the line, otherwise of the reader.
    package let direction: Direction
    /// Milliseconds since 1970-01-01 UTC, rounded down; `nil` for the device clock.
    package let atMs: Int64?

    /// Parses a line. Returns `nil` for a blank one.
    ///
    /// - Parameter defaultDirection: the direction of a line that has no direction.
    /// - Throws: `TapLineError` for a line that is not a tap.
    package init?(_ line: String, defaultDirection: Direction = .in) throws(TapLineError) {
        // UTF-16 has a NUL beside each digit.
        guard !line.utf8.contains(0) else { throw .encoding }
        let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(TapLine.trimmed)
        if fields == [""] { return nil }
        guard fields.count <= 3 else { throw .tooManyFields }
        uid = try TapLine.uid(fields[0])
        let way = fields.count > 1 ? fields[1] : ""
        guard let direction = way.isEmpty ? defaultDirection : Direction(rawValue: String(way)) else {
            throw .direction
        }
        self.direction = direction
        guard fields.count > 2 else {
            atMs = nil
            return
        }
        guard let micros = UTCTime.microseconds(fields[2]) else { throw .time }
        guard micros >= 0, Bounds.timesMs.contains(micros / 1_000) else {
            throw .timeOutOfRange
        }
        atMs = micros / 1_000
    }

    private static func uid(_ text: Substring) throws(TapLineError) -> [UInt8] {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 1 || parts.allSatisfy({ $0.utf8.count == 2 }) else {
            throw .colons
        }
        let digits = parts.joined().utf8
        guard digits.count.isMultiple(of: 2), uidBytes.contains(digits.count / 2) else {
            throw .uidLength
        }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue.map({ UInt8($0) }) else {
                throw .uidDigits
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }

    private static func trimmed(_ field: Substring) -> Substring {
        var field = field.drop(while: \.isWhitespace)
        while field.last?.isWhitespace == true { field.removeLast() }
        return field
    }
}

/// Why a line is not a tap. Never holds the line, because UIDs must not be logged.
package enum TapLineError: Error, Hashable, CustomStringConvertible, Sendable {
    case encoding, tooManyFields, direction, time, timeOutOfRange, colons, uidLength, uidDigits

    /// The rule that the line breaks, without any content of the line.
    package var description: String {
        switch self {
        case .encoding: "the text is UTF-16: write it as UTF-8"
        case .tooManyFields: "more than three fields"
        case .direction: "the direction is neither in nor out"
        case .time: "the time is not RFC 3339"
        case .timeOutOfRange: "the time is outside 1970 to 2199"
        case .colons: "the colons of the UID are not between bytes"
        case .uidLength: "the UID is not 1 to 32 bytes of hex"
        case .uidDigits: "the UID is not hex"
        }
    }
}
