import ScanBatchCodec
import ScanModel
import Testing

private let log = JournalID(Array(0..<16))!
private let previous = JournalID(Array(16..<32))!

private func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
}

func scans(_ count: Int, gate: Int64? = 7, snapshot: Int64 = 1_795_400_000, first: Int64 = 1) -> [Scan] {
    (0..<Int64(count)).map { index -> Scan in
        let tag = Int64(truncatingIfNeeded: UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15)
        return Scan(
            seq: first + index, atMs: 1_795_468_021_123 + index * 1_900, tag: TagID(rawValue: tag),
            verdict: index % 9 == 0 ? .noAccess : .admitted, flags: index % 2 == 0 ? [] : .out, gate: gate,
            snapshot: snapshot)
    }
}

@Suite struct CodecTests {
    /// Made with Python's cbor2, `dumps(..., canonical=True)`.
    private static let vector = bytes(
        "af617601626174d84e4c00000000fbffffff70110100636c6f6750000102030405060708090a0b0c0d0e0f63746167d84f581801"
            + "00000000000000ffffffffffffffffefcdab896745230164626173651b000660f7f99ac7b86467617465076473656e741b000660"
            + "f7fdd443936561667465728250101112131415161718191a1b1c1d1e1f18296566697273740165666c616773d840430001106573"
            + "74617465a661783a0001116f646469736b1851646c6f6164f9380065706f776572fa41aa66666672656164657265737464696e6b"
            + "74656d7065726174757265fb40354ccccccccccd676261636b6c6f6719012c677363616e6e65726d676174652d372d6c616e652d"
            + "326776657264696374d8404300038068736e617073686f741a6b03a140")

    private static func sample() -> ScanBatch {
        var batch = ScanBatch(
            scanner: ScannerID("gate-7-lane-2")!, journalID: log, scans: scans(3)[...],
            after: .init(journalID: previous, lastSeq: 41), sentMicros: 1_795_468_091_999_123, backlog: 300,
            state: [
                "disk": .int(81), "reader": .text("stdin"), "load": .double(0.5),
                "power": .double(21.299999237060547), "x": .int(-70_000), "temperature": .double(21.3),
            ])
        batch.atMs = [0, -5, 70_000]
        batch.tags = [1, -1, 0x0123_4567_89ab_cdef]
        batch.verdicts = [0, 3, 128]
        batch.flags = [0, 1, 16]
        return batch
    }

    @Test func encodingMatchesCanonicalVector() {
        #expect(CodecTests.sample().encoded() == CodecTests.vector)
    }

    @Test func vectorOfOtherImplementationIsDecoded() throws {
        let batch = try ScanBatch(decoding: CodecTests.vector)
        #expect(batch == CodecTests.sample())
        #expect(batch.last == 3)
        #expect(batch.time(1) == 1_795_468_021_118_000)
        #expect(
            batch[2]
                == Scan(
                    seq: 3, atMs: 1_795_468_091_123, tag: TagID(rawValue: 0x0123_4567_89ab_cdef),
                    verdict: .laneNormal, flags: .inspection, gate: 7, snapshot: 1_795_400_000))
    }

    @Test func encodeAppendsToBuffer() {
        var body: [UInt8] = [1, 2]
        CodecTests.sample().encode(into: &body)
        #expect(body == [1, 2] + CodecTests.vector)
    }

    @Test func heartbeatRoundTrips() throws {
        let batch = ScanBatch(
            heartbeatOf: ScannerID("a")!, journalID: log, next: 812, gate: nil, snapshot: 0,
            sentMicros: 1_795_468_091_999_123,
            backlog: 0)
        let decoded = try ScanBatch(decoding: batch.encoded())
        #expect(decoded == batch)
        #expect(decoded.count == 0 && decoded.last == 811 && decoded.gate == nil && decoded.after == nil)
    }

    @Test func batchOf500ScansHasAtMost16BytesPerScan() throws {
        let batch = ScanBatch(
            scanner: ScannerID(String(repeating: "s", count: 63))!, journalID: log, scans: scans(500)[...],
            after: .init(journalID: previous, lastSeq: 1 << 40), sentMicros: 1_795_468_091_999_123, backlog: 1 << 40,
            state: ["reader": .text("stdin"), "turnstile": .text("none"), "disk": .int(93), "software": .text("0.1.0")])
        let body = batch.encoded()
        // The rest of 8,000 is for AMQP: method, header, properties and frame ends.
        #expect(body.count <= 7_700, "\(body.count) bytes")
        #expect(try ScanBatch(decoding: body) == batch)
    }

    @Test func batchOf10000ScansRoundTrips() throws {
        let batch = ScanBatch(
            scanner: ScannerID("a")!, journalID: log, scans: scans(10_000)[...], sentMicros: 1_795_468_091_999_123,
            backlog: 0
        )
        #expect(batch.count == 10_000)
        #expect(try ScanBatch(decoding: batch.encoded()) == batch)
    }

    @Test func cutEndsAtGapsChangesAndLimits() {
        #expect(ScanBatch.cut([]) == 0)
        #expect(ScanBatch.cut(scans(1)) == 1)
        #expect(ScanBatch.cut(scans(10_001)) == 10_000)
        #expect(ScanBatch.cut(scans(4) + scans(2, gate: nil, first: 5)) == 4)
        #expect(ScanBatch.cut(scans(4) + scans(2, snapshot: 9, first: 5)) == 4)
        #expect(ScanBatch.cut(scans(4) + scans(2, first: 6)) == 4)
        var far = scans(3)
        far[1].atMs = far[0].atMs + Int64(Int32.max)
        #expect(ScanBatch.cut(far) == 3)
        far[1].atMs += 1
        #expect(ScanBatch.cut(far) == 1)
        far[1].atMs = far[0].atMs + Int64(Int32.min)
        #expect(ScanBatch.cut(far) == 3)
        far[1].atMs -= 1
        #expect(ScanBatch.cut(far) == 1)
    }

    @Test func scansThatDoNotFitAreAPreconditionFailure() async {
        await #expect(processExitsWith: .failure) {
            _ = ScanBatch(
                scanner: ScannerID("a")!, journalID: JournalID.random(), scans: (scans(2) + scans(2, first: 9))[...],
                sentMicros: 0, backlog: 0)
        }
    }

    @Test func notesRoundTripAndChangeNothingElse() throws {
        var batch = CodecTests.sample()
        batch.notes = [2: "closed: storm", 0: "ميناء"]
        let decoded = try ScanBatch(decoding: batch.encoded())
        #expect(decoded == batch)
        batch.notes = [:]
        #expect(batch.encoded() == CodecTests.vector)
    }

    @Test func noteIsCutAtACharacter() {
        #expect(ScanBatch.note(String(repeating: "م", count: 200)) == String(repeating: "م", count: 128))
        #expect(ScanBatch.note("") == nil)
        #expect(ScanBatch.note("a\0b") == "ab")
    }
}
