import Gate
import Scans
import Testing

@Suite struct DebounceTests {
    private let log = JournalID.random()
    private let band = TagID(rawValue: 77)

    private func answer(
        _ seq: Int64, _ tag: TagID? = nil, atMs: Int64, _ verdict: Verdict = .admitted, _ flags: Flags = []
    ) -> Debounce.Answer {
        Debounce.Answer(
            log: log,
            scan: Scan(seq: seq, atMs: atMs, tag: tag ?? band, verdict: verdict, flags: flags, gate: 7, snapshot: 1))
    }

    @Test func aLingeringHandGetsTheSameAnswer() {
        var debounce = Debounce()
        let first = answer(1, atMs: 10_000)
        debounce.note(first)
        for (atMs, isRepeat) in [(10_000, true), (11_999, true), (12_000, false), (9_999, false)] as [(Int64, Bool)] {
            #expect(debounce.answer(band, .in, atMs: atMs, windowMs: 2_000) == (isRepeat ? first : nil))
        }
        #expect(debounce.answer(band, .in, atMs: 10_000, windowMs: 0) == nil)
        #expect(debounce.answer(band, .out, atMs: 10_000, windowMs: 2_000) == nil)
        #expect(debounce.answer(TagID(rawValue: 78), .in, atMs: 10_000, windowMs: 2_000) == nil)
    }

    @Test func aRefusalIsRepeatedTooAndALaneEventIsNoTap() {
        var debounce = Debounce()
        let refusal = answer(1, atMs: 10_000, .blocked)
        debounce.note(refusal)
        debounce.note(answer(2, TagID.none, atMs: 10_001, .laneFree))
        #expect(debounce.answer(band, .in, atMs: 10_002, windowMs: 2_000) == refusal)
        #expect(debounce.answer(.none, .in, atMs: 10_002, windowMs: 2_000) == nil)
    }

    @Test func anAnnulmentAndAClearMakeTheNextTapNew() {
        var debounce = Debounce()
        debounce.note(answer(1, atMs: 10_000))
        debounce.note(answer(2, TagID(rawValue: 78), atMs: 10_000))
        debounce.note(answer(3, atMs: 10_100, .annulled))
        #expect(debounce.answer(band, .in, atMs: 10_200, windowMs: 2_000) == nil)
        #expect(debounce.answer(TagID(rawValue: 78), .in, atMs: 10_200, windowMs: 2_000)?.scan.seq == 2)
        debounce.clear()
        #expect(debounce.answer(TagID(rawValue: 78), .in, atMs: 10_200, windowMs: 2_000) == nil)
    }

    @Test func aCrowdOfAnySizeTakesBoundedRoom() {
        var debounce = Debounce()
        let crowd = 2 * Debounce.generation
        for number in 1...Int64(crowd * 5) {
            debounce.note(answer(number, TagID(rawValue: number), atMs: 10_000))
            let back = TagID(rawValue: max(1, number - Int64(Debounce.generation) + 1))
            #expect(debounce.answer(back, .in, atMs: 10_000, windowMs: 2_000)?.scan.seq == back.rawValue)
        }
        #expect(debounce.answer(TagID(rawValue: 1), .in, atMs: 10_000, windowMs: 2_000) == nil)
    }
}
