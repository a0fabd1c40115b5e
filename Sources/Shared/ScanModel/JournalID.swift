/// The random UUID of a journal, called `log` in SPEC.md: one run of a gate.
package struct JournalID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// A new random (version 4) UUID.
    package static func random() -> JournalID {
        var random = SystemRandomNumberGenerator()
        return JournalID(
            high: random.next() & ~0xf000 | 0x4000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
    }

    /// Nil unless there are exactly 16 bytes, in network order.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        (high, low) = (
            bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
        )
    }

    /// 16 bytes in network order.
    package var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    /// The usual text, lower case, with hyphens; nil for anything else.
    package init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 36 else { return nil }
        var words: [UInt64] = [0, 0]
        var taken = 0
        for (index, digit) in digits.enumerated() {
            if [8, 13, 18, 23].contains(index) {
                guard digit == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            words[taken / 16] = words[taken / 16] << 4 | UInt64(value)
            taken += 1
        }
        (high, low) = (words[0], words[1])
    }

    package var description: String {
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let cuts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        return cuts.map { from, to in hex.dropFirst(from).prefix(to - from) }.joined(separator: "-")
    }

    /// Byte order, which is also how PostgreSQL orders its `uuid`.
    package static func < (left: JournalID, right: JournalID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
