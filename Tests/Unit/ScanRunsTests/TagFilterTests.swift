import TestSupport
import Testing

@testable import ScanRuns

struct TagFilterTests {
    /// Bits as PostgreSQL's `get_bit` numbers them: bit 0 is the lowest bit of the first byte.
    private func bits(_ filter: [UInt8]) -> [Int] {
        (0..<filter.count * 8).filter { filter[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
    }

    /// As `tapline_internal.may_hold`.
    private func mayHold(_ filter: [UInt8], _ tag: Int64) -> Bool {
        let mask = Int64(8 * filter.count - 1)
        return [0, 13, 26, 39].allSatisfy { shift in
            let bit = Int(tag >> Int64(shift) & mask)
            return filter[bit / 8] >> UInt8(bit % 8) & 1 == 1
        }
    }

    @Test func fourPartsOfATagAreItsBits() {
        let parts: Int64 = 5 | 9 << 13 | 70 << 26 | 63 << 39
        let vectors: [(tag: Int64, filter: [UInt8])] = [
            (0, [0, 0, 0, 0, 0, 0, 0, 0]), (1, [3, 0, 0, 0, 0, 0, 0, 0]), (-1, [0, 0, 0, 0, 0, 0, 0, 0x80]),
            (parts, [0x60, 2, 0, 0, 0, 0, 0, 0x80]), (.min, [1, 0, 0, 0, 0, 0, 0, 0]),
        ]
        for (tag, filter) in vectors { #expect(TagFilter.bytes(of: [tag]) == filter, "tag \(tag)") }
        #expect(bits(TagFilter.bytes(of: [parts])) == [5, 6, 9, 63])
        #expect(bits(TagFilter.bytes(of: [1, 0, 2][1...])) == [0, 2])
    }

    @Test(arguments: [(1, 8), (4, 8), (5, 16), (8, 16), (9, 32), (256, 512), (257, 1_024), (512, 1_024)])
    func filterHasAtLeastSixteenBitsAScan(scans: Int, bytes: Int) {
        #expect(TagFilter.bytes(of: Array(repeating: 7, count: scans)[...]).count == bytes)
    }

    @Test(arguments: 0..<50)
    func filterMayHoldAllItsTagsAndFewOthers(seed: Int) {
        var random = TestRandom(seed)
        let tags = (0..<Int.random(in: 1...512, using: &random)).map { _ in Int64(bitPattern: random.next()) }
        let filter = TagFilter.bytes(of: tags[...])
        for tag in tags { #expect(mayHold(filter, tag), "seed \(seed) tag \(tag)") }
        let others = (0..<2_000).count { _ in mayHold(filter, Int64(bitPattern: random.next())) }
        #expect(others < 40, "seed \(seed)")
    }
}
