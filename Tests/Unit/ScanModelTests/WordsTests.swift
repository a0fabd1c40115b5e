import ScanModel
import Testing

struct WordsTests {
    @Test(arguments: ["a", "0", "gate-1", "a-", "x--y", "7-of-9", String(repeating: "z", count: 63)])
    func scannerIDsAreAccepted(text: String) {
        #expect(ScannerID(text)?.text == text)
        #expect(ScannerID(text)?.description == text)
    }

    @Test(arguments: [
        "", "-a", "A", "gate_1", "gate 1", "gate.1", "gäte", "a\u{0}", "a\n", "é", "a/b", "scan.a", "１",
        String(repeating: "z", count: 64),
    ])
    func otherTextIsNoScannerID(text: String) {
        #expect(ScannerID(text) == nil)
    }

    @Test func journalIDConvertsToTextAndBytes() throws {
        let text = "00112233-4455-6677-8899-aabbccddeeff"
        let id = try #require(JournalID(text))
        #expect(id.description == text)
        #expect(id.bytes == Array(stride(from: UInt8(0), through: 0xff, by: 0x11)))
        #expect(JournalID(id.bytes) == id)
        #expect(JournalID("00112233-4455-6677-8899-AABBCCDDEEFF") == id)
        #expect(JournalID(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff) == id)
        // A slice does not begin at index 0.
        #expect(JournalID(([9, 9] + id.bytes)[2...]) == id)
    }

    @Test(arguments: [
        "", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeef",
        "{0112233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg", "0011223-34455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeeff ",
        "00112233-4455-6677-8899-aabbccddee+f", "００112233-4455-6677-8899-aabbccddee",
    ])
    func otherTextIsNoJournalID(text: String) {
        #expect(JournalID(text) == nil)
    }

    @Test func journalIDRequires16Bytes() {
        for count in [0, 15, 17, 32] { #expect(JournalID([UInt8](repeating: 0, count: count)) == nil) }
    }

    @Test func randomJournalIDsAreVersion4AndDiffer() {
        let ids = (0..<2_000).map { _ in JournalID.random() }
        #expect(Set(ids).count == ids.count)
        for id in ids {
            let text = Array(id.description)
            #expect(text[14] == "4" && "89ab".contains(text[19]), "\(id)")
        }
        // Every free bit takes both values.
        let (any, all) = ids.reduce((UInt64(0), UInt64.max)) { ($0.0 | $1.low, $0.1 & $1.low) }
        #expect(any == 0xbfff_ffff_ffff_ffff && all == 0x8000_0000_0000_0000)
    }

    @Test func journalIDsAreOrderedByBytes() throws {
        var texts = (0..<500).map { _ in JournalID.random().description }
        texts += ["80000000-0000-0000-0000-000000000000", "7fffffff-ffff-ffff-ffff-ffffffffffff"]
        let ids = try texts.map { try #require(JournalID($0)) }
        #expect(ids.sorted().map(\.description) == texts.sorted())
    }

    @Test func verdictsHaveContractNamesAndValues() {
        let names = [
            "admitted", "unknown", "blocked", "no-access", "outside-time", "inside", "no-snapshot", "not-authentic",
            "lost", "void",
        ]
        for (value, name) in names.enumerated() { #expect(Verdict(rawValue: UInt8(value)).name == name) }
        #expect(Verdict(rawValue: 64).name == "annulled")
        #expect(Verdict(rawValue: 200).name == "verdict-200")
        let lane: [Verdict] = [
            .laneNormal, .laneFree, .laneClosed, .readerLost, .readerBack, .passageWithoutTap, .admittedManually,
        ]
        #expect(lane.map(\.rawValue) == [128, 129, 130, 131, 132, 133, 134])
    }

    @Test func flagsHaveContractBits() {
        let flags: [Flags] = [.out, .operatorOverride, .clockNotTrusted, .snapshotExpired, .inspection, .reuse]
        #expect(flags.map(\.rawValue) == [1, 2, 4, 8, 16, 32])
    }

    @Test func boundsMatchContract() {
        #expect(Bounds.uint == 9_007_199_254_740_992)
        // 2200-01-01T00:00:00Z
        #expect(Bounds.timesMs == 0..<7_258_118_400_000)
    }
}
