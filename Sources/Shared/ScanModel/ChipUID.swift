/// What ISO 14443-3 says of the UIDs of chips.
package enum ChipUID {
    /// The lengths that a UID can have, in bytes.
    package static let lengths: Set<Int> = [4, 7, 10]
    /// A chip with a UID of 7 or 10 bytes sends this byte (the cascade tag) before each part that is not the last.
    package static let cascadeTag: UInt8 = 0x88
    /// The first byte of a random UID. The chip makes a new one each time.
    package static let randomStart: UInt8 = 0x08
    /// Lengths of readings with the cascade tag: one part (4 bytes), with its check byte (5); all parts of a UID of 7
    /// bytes (8) and of 10 bytes (12).
    private static let cascadeLengths: Set<Int> = [4, 5, 8, 12]

    /// Returns why the bytes are not the UID of a chip, whatever lengths are permitted.
    ///
    /// - Parameter bytes: in the order in which the chip sends them.
    /// - Returns: `nil` if the bytes can be a UID.
    package static func problem(_ bytes: [UInt8]) -> Problem? {
        if bytes.first == cascadeTag, cascadeLengths.contains(bytes.count) { return .partial }
        if bytes.first == randomStart, bytes.count == 4 { return .random }
        return nil
    }

    /// Returns `zeros` or `FF` if the bytes are nothing else: a reader gives them when it has read no chip.
    package static func blank(_ bytes: [UInt8]) -> String? {
        for (byte, name) in [(UInt8(0), "zeros"), (0xff, "FF")] where bytes.allSatisfy({ $0 == byte }) { return name }
        return nil
    }

    /// Why bytes are not the UID of a chip.
    package enum Problem: Hashable, Sendable, CustomStringConvertible {
        /// They are a part of a longer UID.
        case partial
        /// The chip makes other bytes at each reading.
        case random

        /// The end of a sentence that begins with the UID.
        package var description: String {
            switch self {
            case .partial:
                "begins with 88: it is a part of a longer UID, or in another byte order; the whole UID is needed"
            case .random:
                "begins with 08: the chip makes a new random UID at each reading, which identifies no person; "
                    + "or the UID is in another byte order"
            }
        }
    }

    /// Returns lengths as words: `4, 7 or 10`.
    package static func text(_ lengths: Set<Int>) -> String {
        let words = lengths.sorted().map(String.init)
        guard let last = words.last, words.count > 1 else { return words.first ?? "none" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}
