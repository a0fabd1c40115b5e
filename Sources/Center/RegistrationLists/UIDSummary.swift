import ScanModel

/// The UIDs of a list by length, and signs that all of them are wrong.
package struct UIDSummary: Sendable, Hashable, CustomStringConvertible {
    /// Fewer UIDs can be alike by chance.
    private static let leastForOrder = 8
    /// From this number of UIDs on, some have a letter in hexadecimal: all 20 of 4 bytes lack one by a chance of 10^-33.
    private static let leastForLetters = 20
    /// The first byte of a UID of 7 bytes is the number of the maker of the chip. NXP makes nearly all of them.
    private static let maker: UInt8 = 0x04

    /// Number of UIDs by length in bytes.
    package private(set) var counts: [Int: Int] = [:]
    /// Bytes of the longest number in the list, without leading zeros, as the list writes it.
    private var longestNumber = 0
    /// Number of UIDs without a letter in hexadecimal.
    private var withoutLetter = 0
    private var isHexadecimal = false
    private var short = Ends()
    private var long = Ends()

    /// How many UIDs begin and end with certain bytes.
    private struct Ends: Hashable {
        var count = 0
        var first: [UInt8: Int] = [:]
        var last: [UInt8: Int] = [:]

        mutating func add(_ bytes: [UInt8], _ watched: [UInt8]) {
            count += 1
            for byte in watched {
                if bytes.first == byte { first[byte, default: 0] += 1 }
                if bytes.last == byte { last[byte, default: 0] += 1 }
            }
        }

        /// Returns whether all UIDs end with the byte and none begins with it.
        func allEnd(with byte: UInt8) -> Bool {
            count >= UIDSummary.leastForOrder && last[byte] == count && first[byte] == nil
        }
    }

    /// Creates a summary of no UIDs.
    package init() {}

    /// Number of UIDs.
    package var total: Int { counts.values.reduce(0, +) }

    /// Adds a UID, also one of a wrong length.
    ///
    /// - Parameter bytes: in the order in which the chip sends them.
    mutating func add(_ bytes: [UInt8], _ format: UIDFormat) {
        counts[bytes.count, default: 0] += 1
        isHexadecimal = format == .hex || format == .hexReversed
        if bytes.allSatisfy({ $0 >> 4 < 10 && $0 & 15 < 10 }) { withoutLetter += 1 }
        let written = format.isReversed ? bytes.reversed() : bytes
        longestNumber = max(longestNumber, written.drop { $0 == 0 }.count)
        switch bytes.count {
        case 4: short.add(bytes, [ChipUID.cascadeTag, ChipUID.randomStart])
        case 7, 10: long.add(bytes, [Self.maker])
        default: break
        }
    }

    /// Checks that the UIDs as a whole are in the order of the format.
    ///
    /// - Throws: `RegistrationListError.wrongUIDs`.
    func check(_ format: UIDFormat) throws(RegistrationListError) {
        let other = "in the format \(format.reversed.rawValue)"
        if long.allEnd(with: Self.maker) {
            throw .wrongUIDs(
                "all \(long.count) UIDs of 7 or 10 bytes end with 04, which is the first byte of such chips: the list "
                    + "is \(other), not \(format.rawValue)")
        }
        if short.allEnd(with: ChipUID.cascadeTag) {
            throw .wrongUIDs(
                "all \(short.count) UIDs of 4 bytes end with 88: they are parts of longer UIDs, \(other); the whole "
                    + "UIDs are needed")
        }
        if short.allEnd(with: ChipUID.randomStart) {
            throw .wrongUIDs(
                "all \(short.count) UIDs of 4 bytes end with 08: they are random UIDs, \(other); the chips make new "
                    + "ones at each reading")
        }
    }

    /// What is probably wrong, although the UIDs can be right.
    package var warnings: [String] {
        guard total > 0 else { return [] }
        return [decimalWarning].compactMap(\.self) + partWarnings
    }

    /// The warning of a list of whole numbers that was read as hexadecimal; `nil` for any other list.
    package var decimalWarning: String? {
        guard isHexadecimal, total >= Self.leastForLetters, withoutLetter == total else { return nil }
        return "all \(total) UIDs consist of the digits 0 to 9, but hexadecimal UIDs have letters, too: these are "
            + "probably decimal numbers, which are other UIDs"
    }

    private var partWarnings: [String] {
        switch longestNumber {
        case ...3:
            return [
                "every UID is a number below 16777216 (2^24), as readers with a Wiegand interface give it: such a "
                    + "number is only a part of the UID, and gates read the whole UID; compare a row with a gate's reader"
            ]
        case 5, 6:
            return [
                "no UID is a number of more than \(longestNumber) bytes, as of chips of 125 kHz, which gates cannot "
                    + "read: compare a row with a gate's reader"
            ]
        default: return []
        }
    }

    /// `UIDs: 39998 of 40000 have 7 bytes, 2 of 40000 have 3 bytes`; empty without UIDs.
    package var description: String {
        let total = total
        guard total > 0 else { return "" }
        let parts = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { length, count in
            (total == 1 ? "1" : count == total ? "all \(total)" : "\(count) of \(total)")
                + (count == 1 ? " has" : " have")
                + " \(length) byte\(length == 1 ? "" : "s")"
        }
        return "UIDs: " + parts.joined(separator: ", ")
    }
}
