import Scans
import Support
import Testing
import Tracking

/// The fold of one group against the definition, applied to all its scans at once.
struct PresenceFoldTests {
    private struct Fact {
        var tag: Int64
        var journal: Int64
        var seq: Int64
        var at: Int64
        var isAnnulment: Bool
        var isInspection: Bool

        var sighting: Sighting {
            Sighting(
                orderedAt: at, log: JournalID(high: 0, low: UInt64(journal)), seq: seq, journal: journal, isOut: false,
                isInspection: isInspection, gate: journal)
        }
    }

    /// The nearest earlier admission of an annulment, by definition.
    private func target(of annulment: Fact, in facts: [Fact]) -> Fact? {
        facts.filter {
            !$0.isAnnulment && $0.tag == annulment.tag && $0.journal == annulment.journal && $0.seq < annulment.seq
        }.max { $0.seq < $1.seq }
    }

    @Test(arguments: 0..<20)
    func agreesWithTheDefinitionInAnyOrder(block: Int) {
        for seed in block * 250..<(block + 1) * 250 {
            var random = TestRandom(seed)
            var facts: [Fact] = []
            for journal in Int64(1)...Int64.random(in: 1...3, using: &random) {
                for seq in Int64(1)...Int64.random(in: 1...15, using: &random) {
                    facts.append(
                        Fact(
                            tag: Int64.random(in: 1...4, using: &random), journal: journal, seq: seq,
                            at: Int64.random(in: 1...12, using: &random),
                            isAnnulment: Int.random(in: 0..<4, using: &random) == 0,
                            isInspection: Int.random(in: 0..<6, using: &random) == 0))
                }
            }
            let annulments = facts.filter(\.isAnnulment)
            let annulled = annulments.compactMap { target(of: $0, in: facts)?.sighting }
            var expected: [Int64: Sighting] = [:]
            for fact in facts where !fact.isAnnulment && !fact.isInspection && !annulled.contains(fact.sighting) {
                if let known = expected[fact.tag], !fact.sighting.isAfter(known) { continue }
                expected[fact.tag] = fact.sighting
            }

            var fold = PresenceFold(doubtful: Set(annulments.map(\.tag)))
            for fact in facts.shuffled(using: &random) {
                if fact.isAnnulment {
                    fold.annul(fact.tag, journal: fact.journal, seq: fact.seq)
                } else {
                    fold.admit(fact.tag, fact.sighting)
                }
            }
            let (latest, reachingBack) = fold.finish()
            #expect(latest.map(\.tag) == expected.keys.sorted(), "seed \(seed)")
            for (tag, sighting) in latest { #expect(sighting == expected[tag], "seed \(seed)") }
            let open = annulments.filter { target(of: $0, in: facts) == nil }
            #expect(
                Set(reachingBack) == Set(open.map { .init(tag: $0.tag, journal: $0.journal, seq: $0.seq) }),
                "seed \(seed)")
        }
    }

    @Test func orderIsTimeThenLogThenSeq() {
        func sighting(_ at: Int64, _ log: UInt64, _ seq: Int64) -> Sighting {
            Sighting(
                orderedAt: at, log: JournalID(high: 0, low: log), seq: seq, journal: 1, isOut: false,
                isInspection: false, gate: nil)
        }
        #expect(sighting(2, 1, 1).isAfter(sighting(1, 9, 9)))
        #expect(sighting(1, 2, 1).isAfter(sighting(1, 1, 9)))
        #expect(sighting(1, 1, 2).isAfter(sighting(1, 1, 1)))
        #expect(!sighting(1, 1, 1).isAfter(sighting(1, 1, 1)))
    }
}
