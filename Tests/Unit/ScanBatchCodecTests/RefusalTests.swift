import ScanBatchCodec
import Testing

private func reason(_ body: [UInt8]) -> BatchError.Reason? {
    do throws(BatchError) {
        _ = try ScanBatch(decoding: body)
        return nil
    } catch { return error.reason }
}
private func reason(_ body: Body) -> BatchError.Reason? { reason(body.encoded) }

private let limit: UInt64 = 1 << 53
private let year2200: UInt64 = 7_258_118_400_000_000

@Suite struct RefusalTests {
    @Test func unchangedBodyIsAccepted() throws {
        let batch = try ScanBatch(decoding: Body().encoded)
        #expect(batch.scanner == "gate-7" && batch.first == 5 && batch.atMs == [0, 250, -3])
        #expect(batch.tags == [11, -12, 13] && batch.verdicts == [0, 3, 0] && batch.flags == [0, 1, 0])
    }

    @Test func permittedVariantsAreAccepted() throws {
        let batch = try ScanBatch(decoding: Body().encoded)
        var turned = Body()
        turned.pairs.reverse()
        #expect(try ScanBatch(decoding: turned.encoded) == batch)
        #expect(try ScanBatch(decoding: Body().with("first", .longUint(5)).encoded) == batch)
        let later: [CBORItem] = [
            .text("new"), .array([.map([(.uint(1), .bytes([]))]), .negative(3)]), .tagged(18, .text("x")),
            .raw([0xf9, 0x7e, 0x00]), .raw([0xf6]), .raw([0xe5]), .raw([0xf8, 0xff]), .uint(.max), .negative(.max),
        ]
        for item in later { #expect(try ScanBatch(decoding: Body().with("x-later", item).encoded) == batch) }
        #expect(try ScanBatch(decoding: Body().with("", .uint(0)).encoded) == batch)
    }

    @Test func elapsedHasOneElementPerScan() throws {
        func elapsed(_ bytes: [UInt8]) -> Body { Body().with("elapsed", .tagged(78, .bytes(bytes))) }
        #expect(try ScanBatch(decoding: Body().encoded).elapsedMs == nil)
        let batch = try ScanBatch(decoding: elapsed([1, 0, 0, 0, 255, 255, 255, 255, 0, 1, 0, 0]).encoded)
        #expect(batch.elapsedMs == [1, -1, 256])
        #expect(try ScanBatch(decoding: batch.encoded()) == batch)
        #expect(reason(elapsed([1, 0, 0, 0])) == .length && reason(elapsed([])) == .length)
        #expect(reason(Body().with("elapsed", .tagged(79, .bytes([])))) == .malformed)
    }

    @Test func displayableStateIsKept() throws {
        let state = CBORItem.map([
            (.text("reader"), .text("nfc")), (.text("disk"), .uint(9)), (.text("nested"), .array([.uint(1)])),
            (.text("nul"), .text("a\0b")), (.text("n\0l"), .uint(1)), (.text("flag"), .raw([0xf5])),
            (.text("long"), .text(String(repeating: "x", count: 257))), (.text("nan"), .raw([0xf9, 0x7e, 0])),
            (.text("cold"), .negative(0)), (.text("half"), .raw([0xf9, 0x38, 0])),
        ])
        let batch = try ScanBatch(decoding: Body().with("state", state).encoded)
        #expect(batch.state == ["reader": .text("nfc"), "disk": .int(9), "cold": .int(-1), "half": .double(0.5)])
        let many = CBORItem.map((0..<1_000).map { (.text("k\($0)"), .uint(1)) })
        #expect(try ScanBatch(decoding: Body().with("state", many).encoded).state.count == 32)
    }

    @Test func unusableNotesAreLeftOut() throws {
        let notes = CBORItem.map([
            (.uint(0), .text("good")), (.uint(1), .text(String(repeating: "x", count: 257))), (.uint(2), .text("a\0b")),
            (.uint(3), .text("no such scan")), (.uint(.max), .text("x")), (.uint(4), .uint(1)),
        ])
        #expect(try ScanBatch(decoding: Body().with("notes", notes).encoded).notes == [0: "good"])
        let twice = CBORItem.map([(.uint(0), .text("a")), (.uint(0), .text("b"))])
        #expect(reason(Body().with("notes", twice)) == .malformed)
        #expect(reason(Body().with("notes", .map([(.text("0"), .text("a"))]))) == .malformed)
    }

    @Test(arguments: [
        "v", "scanner", "log", "first", "base", "at", "tag", "verdict", "flags", "snapshot", "sent", "backlog",
    ])
    func missingKeyIsMalformed(_ key: String) { #expect(reason(Body().with(key, nil)) == .malformed) }

    @Test(arguments: Body().pairs.map(\.0) + ["after", "state", "notes", "elapsed"])
    func wrongTypeIsMalformed(_ key: String) {
        #expect(reason(Body().with(key, .raw([0xf6]))) == .malformed)
        #expect(reason(Body().with(key, .tagged(1, .uint(1)))) == .malformed)
        if key != "scanner" { #expect(reason(Body().with(key, .text("1"))) == .malformed) }
        #expect(reason(Body().with(key, .tagged(2, .bytes([1])))) == .malformed)
    }

    @Test func invalidStructureIsMalformed() {
        let good = Body().encoded
        #expect(reason([]) == .malformed)
        #expect(reason(good + [0]) == .malformed)
        for count in 0..<good.count { #expect(reason(Array(good[..<count])) == .malformed) }
        #expect(reason(CBORItem.array([.uint(1)]).encoded) == .malformed)
        #expect(reason([0xd9, 0xd9, 0xf7] + good) == .malformed)
        #expect(reason([0xbf] + good.dropFirst() + [0xff]) == .malformed)
        #expect(reason([0xff]) == .malformed)
        #expect(reason([0x1c]) == .malformed)
        #expect(reason([0xf8, 0x10]) == .malformed)
        for key in ["v", "at", "x"] {
            var twice = Body().with(key, Body()[key] ?? .uint(1))
            twice.pairs.append((key, twice[key]!))
            #expect(reason(twice) == .malformed, "\(key) twice")
        }
        let pairs = Body().pairs.map { (CBORItem.text($0.0), $0.1) }
        #expect(reason(CBORItem.map(pairs + [(.uint(1), .uint(1))]).encoded) == .malformed)
        #expect(reason(CBORItem.map(pairs + [(.bytes([0x78]), .uint(1))]).encoded) == .malformed)
    }

    @Test func indefiniteLengthsBignumsAndInvalidTextAreMalformed() {
        let bad: [[UInt8]] = [
            [0x5f, 0x41, 0, 0xff], [0x7f, 0x61, 0x61, 0xff], [0x9f, 0xff], [0xbf, 0xff],
            [0xc2, 0x41, 1], [0xc3, 0x41, 1], [0x62, 0xc3, 0x28], [0x63, 0xed, 0xa0, 0x80], [0x61, 0x80],
        ]
        for bytes in bad {
            for key in ["x", "scanner", "at", "first", "after", "state"] {
                #expect(reason(Body().with(key, .raw(bytes))) == .malformed, "\(bytes) as \(key)")
            }
            #expect(reason(Body().with("x", .array([.map([(.uint(1), .raw(bytes))])]))) == .malformed)
            #expect(reason(Body().with("state", .map([(.text("disk"), .raw(bytes))]))) == .malformed)
            #expect(reason(Body().with("at", .tagged(78, .raw(bytes)))) == .malformed)
        }
    }

    @Test func declaredLengthsAreChecked() {
        for head: [UInt8] in [
            [0x9a, 0x20, 0, 0, 0], [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            [0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x5a, 0x7f, 0xff, 0xff, 0xff],
        ] {
            #expect(reason(head) == .malformed)
            #expect(reason(Body().with("x", .raw(head))) == .malformed)
            #expect(reason(Body().with("at", .tagged(78, .raw(head)))) == .malformed)
        }
    }

    @Test func nestingIsLimited() throws {
        func nested(_ depth: Int, _ open: [UInt8]) -> CBORItem {
            .raw(Array((0..<depth).map { _ in open }.joined()) + [0x00])
        }
        for open: [UInt8] in [[0x81], [0xc1], [0xa1, 0x00]] {
            #expect(reason(Body().with("x", nested(15, open))) == nil)
            #expect(reason(Body().with("x", nested(16, open))) == .malformed)
            #expect(reason(Body().with("x", nested(300_000, open))) == .malformed)
            #expect(reason(Body().with("state", .map([(.text("a"), nested(300_000, open))]))) == .malformed)
        }
    }

    @Test func unknownKeysAreLimited() {
        var body = Body()
        for index in 0..<64 { body.pairs.append(("x\(index)", .uint(1))) }
        #expect(reason(body) == nil)
        body.pairs.append(("y", .uint(1)))
        #expect(reason(body) == .malformed)
    }

    /// Each entry is compared with the others: a body of 1 MiB may hold 175,000 of them.
    @Test func entriesOfStateAndNotesAreLimited() {
        func state(_ count: Int) -> CBORItem { .map((0..<count).map { (.text("k\($0)"), .uint(1)) }) }
        #expect(reason(Body().with("state", state(1_024))) == nil)
        #expect(reason(Body().with("state", state(1_025))) == .malformed)
        func notes(_ count: UInt64) -> CBORItem { .map((0..<count).map { (.uint($0), .text("n")) }) }
        #expect(reason(Body().with("notes", notes(10_000))) == nil)
        #expect(reason(Body().with("notes", notes(10_001))) == .malformed)
    }

    @Test func stateMustHaveDistinctTextKeys() {
        #expect(reason(Body().with("state", .map([(.uint(1), .uint(1))]))) == .malformed)
        #expect(reason(Body().with("state", .map([(.text("a"), .uint(1)), (.text("a"), .uint(1))]))) == .malformed)
        // Canonically equivalent texts are different keys.
        #expect(
            reason(Body().with("state", .map([(.text("\u{e9}"), .uint(1)), (.text("e\u{301}"), .uint(1))]))) == nil)
    }

    @Test func columnsRequireTheirTag() {
        let four = [UInt8](repeating: 0, count: 12)
        #expect(reason(Body().with("at", .bytes(four))) == .malformed)
        #expect(reason(Body().with("at", .tagged(74, .bytes(four)))) == .malformed)
        #expect(reason(Body().with("at", .tagged(79, .bytes(four)))) == .malformed)
        #expect(reason(Body().with("verdict", .tagged(68, .bytes([0, 3, 0])))) == .malformed)
        #expect(reason(Body().with("verdict", .array([.uint(0), .uint(3), .uint(0)]))) == .malformed)
        #expect(reason(Body().with("tag", .tagged(79, .tagged(79, .bytes(four + four))))) == .malformed)
    }

    @Test func logAndAfterRequireTheirTypes() throws {
        let id = CBORItem.bytes(Array(0..<16))
        #expect(reason(Body().with("log", .bytes(Array(0..<15)))) == .malformed)
        #expect(reason(Body().with("log", .bytes(Array(0..<17)))) == .malformed)
        for after: CBORItem in [
            .array([]), .array([id]), .array([id, .uint(1), .uint(1)]), .array([.uint(1), id]),
            .array([.bytes([1]), .uint(1)]), .array([id, .negative(1)]), .map([(id, .uint(1))]),
        ] { #expect(reason(Body().with("after", after)) == .malformed) }
        let batch = try ScanBatch(decoding: Body().with("after", .array([id, .uint(9)])).encoded)
        #expect(batch.after?.lastSeq == 9)
        #expect(reason(Body().with("after", .array([id, .uint(limit)]))) == .range)
    }

    @Test func otherVersionIsReportedAsVersion() {
        #expect(reason(Body().with("v", .uint(2))) == .version)
        #expect(reason(Body().with("v", .uint(0))) == .version)
        #expect(reason(Body().with("v", .uint(.max))) == .version)
        #expect(reason(CBORItem.map([(.text("v"), .uint(2))]).encoded) == .version)
        #expect(reason(Body().with("v", .uint(2)).with("at", .array([])).with("first", .text("1"))) == .version)
        #expect(reason(Body().with("v", .negative(0))) == .malformed)
        #expect(reason(Body().with("v", .uint(2)).encoded + [0]) == .malformed)
    }

    @Test func columnsOfDifferentLengthsAreRejected() {
        #expect(reason(Body().with("at", .column(78, 4, [0, 1]))) == .length)
        #expect(reason(Body().with("tag", .column(79, 8, [0, 1, 2, 3]))) == .length)
        #expect(reason(Body().with("verdict", .column(64, 1, []))) == .length)
        #expect(reason(Body().with("flags", .column(64, 1, [0]))) == .length)
        #expect(reason(Body().with("at", .column(78, 1, [0, 1, 2]))) == .length)
        #expect(reason(Body().with("tag", .tagged(79, .bytes([UInt8](repeating: 0, count: 23))))) == .length)
    }

    @Test(arguments: ["first", "gate", "snapshot", "backlog", "base", "sent"])
    func numbersOf2To53AreOutOfRange(_ key: String) {
        #expect(reason(Body().with(key, .uint(limit))) == .range)
        #expect(reason(Body().with(key, .uint(.max))) == .range)
        if key != "base" && key != "sent" { #expect(reason(Body().with(key, .negative(0))) == .malformed) }
        #expect(reason(Body().with("state", .map([(.text(key), .uint(limit))]))) == .range)
    }

    @Test func seqsOutOfRangeAreRejected() {
        #expect(reason(Body().with("first", .uint(0))) == .range)
        #expect(reason(Body().with("first", .uint(limit - 3))) == nil)
        #expect(reason(Body().with("first", .uint(limit - 2))) == .range)
        for key in ["gate", "snapshot", "backlog"] { #expect(reason(Body().with(key, .uint(limit - 1))) == nil) }
    }

    @Test func timesOutOfRangeAreRejected() {
        #expect(reason(Body().with("base", .uint(1_795_468_021_123_001))) == .range)
        #expect(reason(Body().with("base", .negative(999))) == .range)
        #expect(reason(Body().with("base", .negative(.max))) == .range)
        #expect(reason(Body().with("base", .uint(3_000))) == nil)
        #expect(reason(Body().with("base", .uint(2_000))) == .range)
        #expect(reason(Body().with("base", .uint(year2200 - 251_000))) == nil)
        #expect(reason(Body().with("base", .uint(year2200 - 250_000))) == .range)
        // A base before 1970 is valid if all scans are later.
        #expect(
            reason(Body().with("base", .negative(2_999)).with("at", .column(78, 4, [3, 3, Int64(Int32.max)]))) == nil)
        #expect(reason(Body().with("at", .column(78, 4, [Int64(Int32.min), 0, Int64(Int32.max)]))) == nil)
        #expect(reason(Body().with("sent", .uint(0))) == nil)
        #expect(reason(Body().with("sent", .uint(year2200 - 1))) == nil)
        #expect(reason(Body().with("sent", .uint(year2200))) == .range)
        #expect(reason(Body().with("sent", .negative(0))) == .range)
        #expect(reason(Body().with("sent", .negative(.max))) == .range)
    }

    @Test func moreThan10000ScansAreOutOfRange() {
        func body(_ count: Int) -> Body {
            let zeros = [Int64](repeating: 0, count: count)
            return Body().with("at", .column(78, 4, zeros)).with("tag", .column(79, 8, zeros))
                .with("verdict", .column(64, 1, zeros)).with("flags", .column(64, 1, zeros))
        }
        #expect(reason(body(0)) == nil)
        #expect(reason(body(10_000)) == nil)
        #expect(reason(body(10_001)) == .range)
    }

    @Test func bodyOverOneMebibyteIsOversized() {
        let rest = Body().with("x", .bytes([UInt8](repeating: 0, count: 1 << 19))).encoded.count - 1 << 19
        let filled = Body().with("x", .bytes([UInt8](repeating: 0, count: 1 << 20 - rest))).encoded
        #expect(filled.count == 1 << 20)
        #expect(reason(filled) == nil)
        #expect(reason(filled + [0]) == .oversized)
        #expect(reason([UInt8](repeating: 0xff, count: 2 << 20)) == .oversized)
    }
}
