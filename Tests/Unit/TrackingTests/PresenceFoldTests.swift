import ScanModel
import TestSupport
import Testing

@testable import Tracking

extension PresenceFold {
    /// The last sighting of each tag, sorted by tag.
    fileprivate var sorted: [(tag: Int64, sighting: Sighting)] { sortedTags.map { ($0.tag, last($0.index)) } }
}

/// Tests the fold against the definition of presence, applied to all scans at once.
struct PresenceFoldTests {
    @Test(arguments: 0..<20)
    func lastSightingIsFoundInAnyOrder(block: Int) {
        for seed in block * 250..<(block + 1) * 250 {
            var random = TestRandom(seed)
            var sightings: [(tag: Int64, sighting: Sighting)] = []
            for journal in Int64(1)...Int64.random(in: 1...3, using: &random) {
                for seq in Int64(1)...Int64.random(in: 1...15, using: &random) {
                    sightings.append(
                        (
                            Int64.random(in: 1...4, using: &random),
                            Sighting(
                                orderedAt: Int64.random(in: 1...12, using: &random),
                                journalID: JournalID(high: 0, low: UInt64(journal)), seq: seq, journal: journal,
                                isOut: Bool.random(using: &random),
                                isInspection: Int.random(in: 0..<6, using: &random) == 0, gate: journal)
                        ))
                }
            }
            var fold = PresenceFold()
            for (tag, sighting) in sightings.shuffled(using: &random) { fold.admit(tag, sighting) }
            let moving = sightings.filter { !$0.sighting.isInspection }
            #expect(fold.sorted.map(\.tag) == Set(moving.map(\.tag)).sorted(), "seed \(seed)")
            for (tag, sighting) in fold.sorted {
                let others = moving.filter { $0.tag == tag && $0.sighting != sighting }
                #expect(others.allSatisfy { sighting.isAfter($0.sighting) }, "seed \(seed)")
            }
        }
    }

    @Test func manyTagsKeepTheirLastSightings() {
        var fold = PresenceFold()
        func sighting(_ at: Int64) -> Sighting {
            Sighting(
                orderedAt: at, journalID: JournalID(high: 0, low: 1), seq: at, journal: 1, isOut: false,
                isInspection: false, gate: nil)
        }
        // Consecutive tags, and tags that differ in their high bits only.
        let tags = (1...Int64(5_000)).flatMap { [$0, $0 << 40, -$0] }
        for (index, tag) in tags.enumerated() { fold.admit(tag, sighting(Int64(index + 1))) }
        for (index, tag) in tags.enumerated() { fold.admit(tag, sighting(Int64(index % 2 == 0 ? 0 : index + 100_000))) }
        let expected = tags.enumerated().map { ($1, Int64($0 % 2 == 0 ? $0 + 1 : $0 + 100_000)) }.sorted { $0.0 < $1.0 }
        #expect(fold.sorted.map(\.tag) == expected.map(\.0))
        #expect(fold.sorted.map(\.sighting.orderedAt) == expected.map(\.1))
        #expect(fold.passages == nil)
    }

    @Test func orderIsTimeThenJournalIDThenSeq() {
        func sighting(_ at: Int64, _ journalID: UInt64, _ seq: Int64) -> Sighting {
            Sighting(
                orderedAt: at, journalID: JournalID(high: 0, low: journalID), seq: seq, journal: 1, isOut: false,
                isInspection: false, gate: nil)
        }
        #expect(sighting(2, 1, 1).isAfter(sighting(1, 9, 9)))
        #expect(sighting(1, 2, 1).isAfter(sighting(1, 1, 9)))
        #expect(sighting(1, 1, 2).isAfter(sighting(1, 1, 1)))
        #expect(!sighting(1, 1, 1).isAfter(sighting(1, 1, 1)))
    }
}
