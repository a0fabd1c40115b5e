import Runtime
package import ScanModel

/// A tap as a line of text: `<uid hex>[,<in|out>[,<RFC 3339 time>]]` (SPEC.md section 8).
///
/// The UID is 1 to 32 bytes, in hex of either case, with or without colons between the bytes. The direction is the
/// reader's unless given, also where it is empty.
package struct TapLine: Hashable, Sendable {
    /// Chips have UIDs of 4, 7 or 10 bytes; a tool may stand for other readers.
    package static let uidBytes = 1...32

    package let uid: [UInt8]
    package let direction: Direction
    /// Milliseconds since 1970-01-01 UTC, rounded down; nil: the device clock counts.
    package let atMs: Int64?

    /// Nil for a blank line. Throws `TapLineError` for one that is not a tap.
    /// - Parameter otherwise: the direction of a line that names none.
    package init?(_ line: String, otherwise: Direction = .in) throws(TapLineError) {
        let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(TapLine.trimmed)
        if fields == [""] { return nil }
        guard fields.count <= 3 else { throw TapLineError("more than three fields") }
        uid = try TapLine.uid(fields[0])
        let way = fields.count > 1 ? fields[1] : ""
        guard let direction = way.isEmpty ? otherwise : Direction(rawValue: String(way)) else {
            throw TapLineError("a direction that is neither in nor out")
        }
        self.direction = direction
        guard fields.count > 2 else {
            atMs = nil
            return
        }
        guard let micros = UTCTime.microseconds(fields[2]) else { throw TapLineError("a time that is not RFC 3339") }
        guard micros >= 0, Bounds.timesMs.contains(micros / 1_000) else {
            throw TapLineError("a time outside 1970 to 2199")
        }
        atMs = micros / 1_000
    }

    private static func uid(_ text: Substring) throws(TapLineError) -> [UInt8] {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 1 || parts.allSatisfy({ $0.utf8.count == 2 }) else {
            throw TapLineError("a UID with colons that do not stand between bytes")
        }
        let digits = parts.joined().utf8
        guard digits.count.isMultiple(of: 2), uidBytes.contains(digits.count / 2) else {
            throw TapLineError("a UID that is not 1 to 32 bytes of hex")
        }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue.map({ UInt8($0) }) else {
                throw TapLineError("a UID that is not hex")
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

/// What is wrong with a line. Never holds the line: raw UIDs do not leave the gate, not in a log either.
package struct TapLineError: Error, Hashable, CustomStringConvertible, Sendable {
    package let description: String
    init(_ description: String) { self.description = description }
}
