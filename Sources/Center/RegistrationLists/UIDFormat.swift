import Crypto

/// How a list writes the UID of a chip. All stand for the bytes as the chip sends them, which is what gates read.
///
/// Suppliers of bands deliver what their readers print: bytes in hex, in either order, or one whole number of them, most
/// significant byte first or last. The chip with the UID `04 A1 B2 C3` is
///
/// | format | in the list |
/// |---|---|
/// | `hex` | 04A1B2C3, 04:a1:b2:c3 |
/// | `hex-reversed` | C3B2A104 |
/// | `decimal` | 77705923 (0x04A1B2C3) |
/// | `decimal-reversed` | 3283263748 (0xC3B2A104) |
package enum UIDFormat: String, CaseIterable, Sendable {
    case hex
    case hexReversed = "hex-reversed"
    case decimal
    case decimalReversed = "decimal-reversed"

    /// Bytes of a UID (ISO 14443-3 has 4, 7 and 10; other chips others).
    package static let lengths = 1...32
    /// Lengths that a number may stand for: 7 bytes take 17 digits, and more is not delivered as a number.
    package static let numberLengths = 4...7
    /// What a chip of 7 or 10 bytes sends first, where others have the first byte of their UID.
    private static let cascadeTag: UInt8 = 0x88

    /// The bytes of a UID as the chip sends them. Throws the reason, for the user, why the text is none.
    /// - Parameter length: that it must have, in bytes; nil: any, and that of a number by its digits (up to ten, below
    ///   2^32: 4 bytes; more: 7).
    package func bytes(_ text: String, length: Int? = nil) throws(CellError) -> [UInt8] {
        let bytes: [UInt8]
        switch self {
        case .hex: bytes = try Self.hexBytes(text)
        case .hexReversed: bytes = try Self.hexBytes(text).reversed()
        case .decimal: bytes = try Self.numberBytes(text, length).reversed()
        case .decimalReversed: bytes = try Self.numberBytes(text, length)
        }
        if let length, bytes.count != length { throw CellError("has \(bytes.count) bytes where all have \(length)") }
        if self != .hex, bytes.count == 4, bytes[0] == Self.cascadeTag {
            throw CellError(
                "begins with 88, so it is a part of a longer UID (or in another byte order): the whole UID is needed")
        }
        return bytes
    }

    private static func hexBytes(_ text: String) throws(CellError) -> [UInt8] {
        if let bytes = Hex.decode(text), lengths.contains(bytes.count) { return bytes }
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" || $0 == " " }
        if parts.count > 1, let bytes = Hex.decode(parts.joined()), lengths.contains(bytes.count) { return bytes }
        throw CellError("is not the hex of a UID (1 to 32 bytes)")
    }

    /// Least significant byte first.
    private static func numberBytes(_ text: String, _ length: Int?) throws(CellError) -> [UInt8] {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt64(text) else {
            let isRounded = text.utf8.contains { $0 == UInt8(ascii: "E") || $0 == UInt8(ascii: "e") }
            throw CellError(
                isRounded && Double(text) != nil
                    ? "was rounded by a spreadsheet: write the column as text"
                    : "is not a whole number of digits")
        }
        let count = length ?? (text.utf8.count <= 10 && number >> 32 == 0 ? 4 : 7)
        guard number >> (8 * UInt64(count)) == 0 else { throw CellError("is more than \(count) bytes") }
        return (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
}
