import TestSupport
import Testing

@testable import SnapshotExport

@Suite struct SortedTagsTests {
    @Test(arguments: [0, 1, 2, 1_000, 50_000])
    func rowsAreSorted(count: Int) {
        var random = TestRandom(seed: UInt64(count))
        var tags = SortedTags()
        var expected: [[Int64]] = count > 2 ? [[.min, 1, 2, 3], [.max, 1, 2, 3], [0, 1, 2, 3], [-1, 1, 2, 3]] : []
        // Half of the tags are not random.
        for index in 0..<count {
            let tag = index % 2 == 0 ? Int64.random(in: .min ... .max, using: &random) : Int64(index) * 7 + 1
            expected.append([tag, Int64(index % 4), Int64(index), -Int64(index)])
        }
        expected.shuffle(using: &random)
        for part in stride(from: 0, to: expected.count, by: 333) {
            tags.add(Array(expected[part..<min(part + 333, expected.count)].joined()))
        }
        #expect(tags.count == Int64(expected.count))
        var found: [[Int64]] = []
        tags.drain { rows in found += rows.map { [$0.tag, $0.status, $0.pass, $0.attendee] } }
        #expect(found == expected.sorted { $0[0] < $1[0] })
        #expect(tags.count == 0)
    }
}
