import Crypto

/// The notation of a chip UID in a list. The result is always the bytes in the order in which the chip sends them, as
/// gates read them.
///
/// Suppliers of wristbands deliver the output of their readers. It is hexadecimal or one whole number, with the most
/// significant byte first or last. For the chip with the UID `04 A1 B2 C3`:
///
/// | format | text in the list |
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

    /// Valid lengths of a UID in bytes. ISO 14443-3 has 4, 7 and 10; other chips have other lengths.
    package static let lengths = 1...32
    /// Valid lengths of a UID that is written as a number, in bytes. 7 bytes need 17 digits; longer UIDs are not
    /// delivered as numbers.
    package static let numberLengths = 4...7
    /// The cascade tag (ISO 14443-3). A chip with a UID of 7 or 10 bytes sends it before the first 3 bytes.
    private static let cascadeTag: UInt8 = 0x88

    /// Returns the bytes of a UID in the order in which the chip sends them.
    ///
    /// - Parameters:
    ///   - text: the cell of the list.
    ///   - length: the required length in bytes. `nil`: any length; a number of at most 10 digits and below 2^32 has 4
    ///     bytes, any other number has 7.
    /// - Throws: `CellError` if the text is not a UID in this format.
    package func bytes(_ text: String, length: Int? = nil) throws(CellError) -> [UInt8] {
        let bytes: [UInt8]
        switch self {
        case .hex: bytes = try Self.hexBytes(text)
        case .hexReversed: bytes = try Self.hexBytes(text).reversed()
        case .decimal: bytes = try Self.numberBytes(text, length).reversed()
        case .decimalReversed: bytes = try Self.numberBytes(text, length)
        }
        if let length, bytes.count != length { throw CellError("has \(bytes.count) bytes, but \(length) are required") }
        if self != .hex, bytes.count == 4, bytes[0] == Self.cascadeTag {
            throw CellError(
                "begins with 88: it is a part of a longer UID, or in another byte order; the whole UID is needed")
        }
        return bytes
    }

    private static func hexBytes(_ text: String) throws(CellError) -> [UInt8] {
        if let bytes = Hex.decode(text), lengths.contains(bytes.count) { return bytes }
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" || $0 == " " }
        if parts.count > 1, let bytes = Hex.decode(parts.joined()), lengths.contains(bytes.count) { return bytes }
        throw CellError("is not the hexadecimal form of a UID (1 to 32 bytes)")
    }

    /// Least significant byte first.
    private static func numberBytes(_ text: String, _ length: Int?) throws(CellError) -> [UInt8] {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt64(text) else {
            let isRounded = text.utf8.contains { $0 == UInt8(ascii: "E") || $0 == UInt8(ascii: "e") }
            throw CellError(
                isRounded && Double(text) != nil
                    ? "was rounded by a spreadsheet: format the column as text"
                    : "is not a whole number")
        }
        let count = length ?? (text.utf8.count <= 10 && number >> 32 == 0 ? 4 : 7)
        guard number >> (8 * UInt64(count)) == 0 else { throw CellError("is more than \(count) bytes") }
        return (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
}
