import Crypto
import ScanModel

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

    /// Whether the list has the last byte of the chip first.
    var isReversed: Bool { self == .hexReversed || self == .decimalReversed }

    /// The format with the bytes in the other order.
    var reversed: UIDFormat {
        switch self {
        case .hex: .hexReversed
        case .hexReversed: .hex
        case .decimal: .decimalReversed
        case .decimalReversed: .decimal
        }
    }

    /// Returns the bytes of a UID in the order in which the chip sends them. `check` must follow.
    ///
    /// A number has the first of the lengths that it fits in, also with its leading zeros.
    ///
    /// - Parameters:
    ///   - text: the cell of the list.
    ///   - lengths: the permitted lengths in bytes. At least one of them is in `numberLengths` if the UID is a number.
    /// - Throws: `CellError` if the text is not a UID in this format.
    func parse(_ text: String, _ lengths: Set<Int> = ChipUID.lengths) throws(CellError) -> [UInt8] {
        switch self {
        case .hex: try Self.hexBytes(text)
        case .hexReversed: try Self.hexBytes(text).reversed()
        case .decimal: try Self.numberBytes(text, lengths).reversed()
        case .decimalReversed: try Self.numberBytes(text, lengths)
        }
    }

    /// Checks that a UID identifies one chip.
    ///
    /// - Parameters:
    ///   - bytes: in the order in which the chip sends them.
    ///   - lengths: the permitted lengths in bytes.
    /// - Throws: `CellError` for a length that is not permitted, a part of a UID, and a random UID; also for zeros
    ///   or FF alone.
    package static func check(_ bytes: [UInt8], _ lengths: Set<Int> = ChipUID.lengths) throws(CellError) {
        if let problem = ChipUID.problem(bytes) { throw CellError(problem.description) }
        if let name = ChipUID.blank(bytes) {
            throw CellError("has only \(name): a reader gives it when it has read no chip")
        }
        guard !lengths.contains(bytes.count) else { return }
        let count = "has \(bytes.count) byte\(bytes.count == 1 ? "" : "s"), but "
        guard lengths == ChipUID.lengths else {
            throw CellError("\(count)\(ChipUID.text(lengths)) are required", .uidLengths)
        }
        throw CellError("\(count)chips have \(ChipUID.text(lengths)): were zeros or digits lost?", .uidLengths)
    }

    private static func hexBytes(_ text: String) throws(CellError) -> [UInt8] {
        if let bytes = Hex.decode(text), lengths.contains(bytes.count) { return bytes }
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" || $0 == " " }
        if parts.count > 1, let bytes = Hex.decode(parts.joined()), lengths.contains(bytes.count) { return bytes }
        if SpreadsheetText.isExponentForm(text) { throw CellError(roundedText) }
        let isOdd = !text.utf8.count.isMultiple(of: 2) && text.allSatisfy { $0.isASCII && $0.isHexDigit }
        throw CellError(
            "is not the hexadecimal form of a UID (1 to 32 bytes)"
                + (isOdd ? ": it has \(text.utf8.count) digits; was a zero lost at its beginning?" : ""))
    }

    /// Least significant byte first.
    private static func numberBytes(_ text: String, _ permitted: Set<Int>) throws(CellError) -> [UInt8] {
        let isWhole = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
        guard isWhole else {
            if SpreadsheetText.isExponentForm(text) { throw CellError(roundedText) }
            let isWiegand =
                text.split { $0 == "," || $0 == ":" || $0 == "/" || $0 == "-" || $0 == " " }.count == 2
                && text.contains { $0.isNumber } && !text.contains { $0.isLetter } && text.first?.isNumber ?? false
            throw CellError(
                "is not a whole number"
                    + (isWiegand ? ": a facility code with a card number is only a part of the UID" : ""))
        }
        let counts = permitted.intersection(numberLengths).sorted()
        guard let number = UInt64(text) else { throw CellError("is more than \(counts.last ?? 0) bytes") }
        let fitting = counts.first { fits(number, $0) && text.utf8.count <= digits($0) } ?? counts.last
        guard let count = fitting, fits(number, count) else {
            throw CellError("is more than \(counts.last ?? 0) bytes")
        }
        return (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }

    private static func fits(_ number: UInt64, _ bytes: Int) -> Bool { number >> (8 * UInt64(bytes)) == 0 }

    /// Number of digits of the largest number of a length in bytes.
    private static func digits(_ bytes: Int) -> Int { String((UInt64(1) << (8 * UInt64(bytes))) - 1).utf8.count }

    private static let roundedText = "was rounded by a spreadsheet: format the column as text"
}
