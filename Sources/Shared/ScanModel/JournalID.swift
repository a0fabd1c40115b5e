import Crypto

/// The random UUID of a journal, that is, of one gate run. The wire format and SQL call it `log` (contract.md section
/// 2).
package struct JournalID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The first 8 bytes, as a big-endian number.
    package let high: UInt64
    /// The last 8 bytes, as a big-endian number.
    package let low: UInt64

    /// Creates an ID from its halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Creates a random (version 4) UUID.
    package static func random() -> JournalID {
        var random = SystemRandomNumberGenerator()
        return JournalID(
            high: random.next() & ~0xf000 | 0x4000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
    }

    /// Creates an ID from 16 bytes in network order; `nil` for any other number of bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// 16 bytes in network order.
    package var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    /// Parses the text of a UUID with its hyphens; `nil` for any other text.
    package init?(_ text: String) {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12], let bytes = Hex.decode(String(text.filter { $0 != "-" })) else {
            return nil
        }
        self.init(bytes)
    }

    /// The text of the UUID in lower case with hyphens.
    package var description: String {
        let hex = Hex.encode(bytes)
        let cuts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        return cuts.map { from, to in hex.dropFirst(from).prefix(to - from) }.joined(separator: "-")
    }

    /// Orders by bytes, like PostgreSQL's `uuid`.
    package static func < (left: JournalID, right: JournalID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
