import AccessControl
import ScanModel
import Testing

@Suite struct DebounceTests {
    private let journalID = JournalID.random()
    private let firstTag = TagID(rawValue: 77)

    private func tap(
        _ seq: Int64, _ tag: TagID? = nil, atMs: Int64, _ verdict: Verdict = .admitted, _ flags: Flags = []
    ) -> Debounce.JournaledTap {
        Debounce.JournaledTap(
            journalID: journalID,
            scan: Scan(seq: seq, atMs: atMs, tag: tag ?? firstTag, verdict: verdict, flags: flags, gate: 7, snapshot: 1)
        )
    }

    @Test func tapWithinTheWindowRepeatsTheVerdict() {
        var debounce = Debounce()
        let first = tap(1, atMs: 10_000)
        debounce.note(first)
        for (atMs, isRepeat) in [(10_000, true), (11_999, true), (12_000, false), (9_999, false)] as [(Int64, Bool)] {
            let repeated = debounce.repeatedTap(firstTag, .in, .uid, atMs: atMs, windowMs: 2_000)
            #expect(repeated?.tap.scan == (isRepeat ? first.scan : nil))
        }
        #expect(debounce.repeatedTap(firstTag, .in, .uid, atMs: 10_000, windowMs: 0) == nil)
        #expect(debounce.repeatedTap(firstTag, .out, .uid, atMs: 10_000, windowMs: 2_000) == nil)
        #expect(debounce.repeatedTap(TagID(rawValue: 78), .in, .uid, atMs: 10_000, windowMs: 2_000) == nil)
    }

    @Test func rejectionIsRepeatedAndLaneEventIsIgnored() {
        var debounce = Debounce()
        let rejection = tap(1, atMs: 10_000, .blocked)
        debounce.note(rejection)
        debounce.note(tap(2, TagID.none, atMs: 10_001, .laneFree))
        #expect(debounce.repeatedTap(firstTag, .in, .uid, atMs: 10_002, windowMs: 2_000)?.tap == rejection)
        #expect(debounce.repeatedTap(.none, .in, .uid, atMs: 10_002, windowMs: 2_000) == nil)
    }

    @Test func annulmentAndClearMakeTheNextTapNew() {
        var debounce = Debounce()
        debounce.note(tap(1, atMs: 10_000))
        debounce.note(tap(2, TagID(rawValue: 78), atMs: 10_000))
        debounce.note(tap(3, atMs: 10_100, .annulled))
        #expect(debounce.repeatedTap(firstTag, .in, .uid, atMs: 10_200, windowMs: 2_000) == nil)
        #expect(debounce.repeatedTap(TagID(rawValue: 78), .in, .uid, atMs: 10_200, windowMs: 2_000)?.tap.scan.seq == 2)
        debounce.clear()
        #expect(debounce.repeatedTap(TagID(rawValue: 78), .in, .uid, atMs: 10_200, windowMs: 2_000) == nil)
    }

    @Test func admissionInOtherDirectionMakesNextTapNew() {
        var debounce = Debounce()
        debounce.note(tap(1, atMs: 0))
        debounce.note(tap(2, atMs: 3_000, .admitted, .out))
        let back = debounce.repeatedTap(firstTag, .in, .uid, atMs: 6_000, windowMs: 10_000)
        let out = debounce.repeatedTap(firstTag, .out, .uid, atMs: 6_000, windowMs: 10_000)
        #expect(back == nil && out?.tap.scan.seq == 2)
        // A rejection is no passage.
        debounce.note(tap(3, atMs: 7_000, .blocked))
        let still = debounce.repeatedTap(firstTag, .out, .uid, atMs: 8_000, windowMs: 10_000)
        #expect(still?.tap.scan.seq == 2)
    }

    @Test func lowerCounterOrOtherProofIsNoRepeat() {
        func repeats(_ debounce: inout Debounce, _ proof: Tap.Proof) -> Bool {
            debounce.repeatedTap(firstTag, .in, proof, atMs: 1_000, windowMs: 2_000) != nil
        }
        var debounce = Debounce()
        debounce.note(
            Debounce.JournaledTap(journalID: journalID, scan: tap(1, atMs: 0).scan, proof: .authentic(counter: 7)))
        for (counter, isRepeat) in [(7, true), (6, false), (9, true), (8, false), (7, false), (9, true)]
            as [(Int64, Bool)]
        {
            let repeated = repeats(&debounce, .authentic(counter: counter))
            #expect(repeated == isRepeat, "\(counter)")
        }
        for proof in [Tap.Proof.uid, .forged, .randomUID, .partialUID, .code] {
            let repeated = repeats(&debounce, proof)
            #expect(!repeated)
        }
        // A manual admission is repeated by any proof.
        debounce.note(tap(2, atMs: 500))
        let afterManualAdmission = repeats(&debounce, .authentic(counter: 1))
        #expect(afterManualAdmission)
    }

    @Test func memoryIsBoundedByTwoGenerations() {
        var debounce = Debounce()
        let remembered = 2 * Debounce.generation
        for number in 1...Int64(remembered * 5) {
            debounce.note(tap(number, TagID(rawValue: number), atMs: 10_000))
            let back = TagID(rawValue: max(1, number - Int64(Debounce.generation) + 1))
            #expect(debounce.repeatedTap(back, .in, .uid, atMs: 10_000, windowMs: 2_000)?.tap.scan.seq == back.rawValue)
        }
        #expect(debounce.repeatedTap(TagID(rawValue: 1), .in, .uid, atMs: 10_000, windowMs: 2_000) == nil)
    }
}
