import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

private func randomBatch(_ random: inout TestRandom) -> ScanBatch {
    var all: [Scan] = []
    let first = Int64.random(in: 1...(1 << 52), using: &random)
    let base = Int64.random(in: 3_000_000_000..<7_200_000_000_000, using: &random)
    let (gate, snapshot) = (
        Int64.random(in: 0..<(1 << 53), using: &random), Int64.random(in: 0..<(1 << 53), using: &random)
    )
    for index in 0..<Int.random(in: 1...40, using: &random) {
        all.append(
            Scan(
                seq: first + Int64(index),
                atMs: base + Int64.random(in: -1_000_000_000...1_000_000_000, using: &random),
                tag: TagID(rawValue: Int64(bitPattern: random.next())),
                verdict: Verdict(rawValue: UInt8.random(in: 0...255, using: &random)),
                flags: Flags(rawValue: UInt8.random(in: 0...255, using: &random)),
                gate: gate & 1 == 0 ? gate : nil, snapshot: snapshot))
    }
    let log = JournalID(high: random.next(), low: random.next())
    return ScanBatch(
        scanner: ScannerID("s\(random.next())")!, journalID: log, scans: all[..<ScanBatch.cut(all)],
        after: Bool.random(using: &random) ? .init(journalID: log, lastSeq: first - 1) : nil,
        sentMicros: base * 1_000 + 7, backlog: snapshot,
        state: Bool.random(using: &random)
            ? ["reader": .text("nfc \(gate)"), "disk": .int(-gate), "t": .double(0.1)] : [:])
}

@Suite struct MutationTests {
    @Test func randomBatchesRoundTrip() throws {
        var random = TestRandom(seed: 7)
        for _ in 0..<2_000 {
            let batch = randomBatch(&random)
            let body = batch.encoded()
            let decoded = try ScanBatch(decoding: body)
            #expect(decoded == batch)
            #expect(decoded.encoded() == body)
        }
    }

    /// Changes, removes, adds and swaps bytes. The decoder never crashes, and accepted batches are valid and
    /// round-trip.
    @Test(arguments: 0..<8) func damagedBodiesAreAcceptedOrRejected(_ seed: Int) throws {
        var random = TestRandom(seed: UInt64(seed) &* 1_000_003 &+ 1)
        var (taken, refused) = (0, Set<BatchError.Reason>())
        for _ in 0..<4_000 {
            var body = randomBatch(&random).encoded()
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&body, &random) }
            do throws(BatchError) {
                let batch = try ScanBatch(decoding: body)
                taken += 1
                #expect(batch.first >= 1 && batch.last < 1 << 53 && batch.count <= 10_000)
                #expect(batch.tags.count == batch.count && batch.flags.count == batch.count)
                #expect((0..<batch.count).allSatisfy { Bounds.timesMs.contains(batch.time($0) / 1_000) })
                #expect(try! ScanBatch(decoding: batch.encoded()) == batch)
            } catch {
                refused.insert(error.reason)
                #expect(error.detail.utf8.allSatisfy { $0 >= 32 && $0 < 127 })
            }
        }
        #expect(taken > 0 && refused.isSuperset(of: [.malformed, .range, .version]))
    }

    private func damage(_ body: inout [UInt8], _ random: inout TestRandom) {
        guard !body.isEmpty else { return body.append(0) }
        let index = Int.random(in: 0..<body.count, using: &random)
        // Half of the changes hit the first 64 bytes, which have most of the heads.
        let place = Bool.random(using: &random) ? index : index % 64 % body.count
        switch Int.random(in: 0..<6, using: &random) {
        case 0: body[place] = UInt8.random(in: 0...255, using: &random)
        case 1: body[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: body.removeSubrange(place..<min(body.count, place + Int.random(in: 1...9, using: &random)))
        case 3: body.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 4: body.swapAt(place, Int.random(in: 0..<body.count, using: &random))
        default:
            let heads: [UInt8] = [0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xbb, 0xdb, 0xfb, 0x5f, 0x9f, 0xbf, 0xff, 0xc2, 0xd8]
            body[place] = heads.randomElement(using: &random)!
        }
    }
}
