import ScanModel
import TestSupport
import Testing

@testable import ScanRuns

/// A scan as `tapline.scans` shows it.
private struct ShownScan: Equatable {
    var seq: Int64
    var tag: Int64
    var micros: Int64
    var verdict: UInt8
    var flags: UInt8
    var received: Int64
}

extension ScanRun {
    fileprivate var shown: [ShownScan] {
        (0..<count).map { offset in
            ShownScan(
                seq: first + Int64(offset), tag: tags[tags.startIndex + offset],
                micros: baseMicros + Int64(atMs[atMs.startIndex + offset]) * 1_000,
                verdict: verdicts[verdicts.startIndex + offset], flags: flags[flags.startIndex + offset],
                received: receivedMicros + (receivedUs.map { $0[$0.startIndex + offset] } ?? 0))
        }
    }
}

struct ScanRunTests {
    private static let day: Int64 = 1_780_272_000_000_000

    /// Returns consecutive scans whose columns are slices of larger arrays.
    private func scans(_ count: Int, first: Int64 = 1, _ random: inout TestRandom) -> StoredScans {
        func column<Value>(_ value: (inout TestRandom) -> Value) -> ArraySlice<Value> {
            (0..<count + 5).map { _ in value(&random) }[2..<count + 2]
        }
        return StoredScans(
            journal: 4, scanner: "s-1", journalID: JournalID(high: 1, low: 2), first: first,
            baseMicros: ScanRunTests.day + .random(in: -9_000...9_000, using: &random) * 1_000,
            atMs: column { .random(in: -90_000...90_000, using: &$0) },
            tags: column { Int64(bitPattern: $0.next()) }, verdicts: column { .random(in: 0...134, using: &$0) },
            flags: column { .random(in: 0...7, using: &$0) }, gate: 3, snapshot: 7,
            receivedMicros: ScanRunTests.day + .random(in: 0...60_000_000, using: &random), isBehind: false)
    }

    @Test(arguments: [(1, [1]), (511, [511]), (512, [512]), (513, [512, 1]), (1_300, [512, 512, 276])])
    func longRunsAreCutIntoRowsOf512(count: Int, lengths: [Int]) {
        var random = TestRandom(count)
        let scans = scans(count, first: 40, &random)
        let rows = ScanRun.rows(of: scans)
        #expect(rows.map(\.count) == lengths)
        #expect(rows.flatMap(\.shown).map(\.seq) == Array(40..<40 + Int64(count)))
        #expect(rows.flatMap(\.tags) == Array(scans.tags))
        #expect(rows.flatMap(\.verdicts) == Array(scans.verdicts))
        #expect(rows.flatMap(\.flags) == Array(scans.flags))
        #expect(rows.flatMap(\.atMs) == Array(scans.atMs))
        for row in rows {
            let times = row.shown.flatMap { [$0.micros, min($0.micros, $0.received)] }
            #expect(row.earliestMicros == times.min())
            #expect(row.latestMicros == times.max())
            #expect(row.last == row.shown.last?.seq)
        }
    }

    @Test func placesOfDoubtedScansAreWithinTheLimitsOfTheRow() {
        var random = TestRandom(5)
        var scans = scans(600, &random)
        scans.placedMicros = (0..<600).map { ScanRunTests.day - 1_000_000_000 * Int64(512 - $0) }[...]
        let rows = ScanRun.rows(of: scans)
        #expect(rows[0].earliestMicros == ScanRunTests.day - 512_000_000_000)
        #expect(rows[1].latestMicros == ScanRunTests.day + 87_000_000_000)
    }

    @Test func partHoldsTheScansOfItsOffsets() {
        var random = TestRandom(8)
        var scans = scans(20, first: 100, &random)
        scans.receivedUs = (0..<25).map { Int64($0) * 10 }[5...]
        scans.placedMicros = (0..<20).map { ScanRunTests.day + Int64($0) }[...]
        let part = scans.part(3..<7).part(1..<3)
        #expect(part.first == 104)
        #expect(part.count == 2)
        #expect(Array(part.tags) == Array(scans.tags)[4..<6].map { $0 })
        #expect(Array(part.atMs) == Array(scans.atMs)[4..<6].map { $0 })
        #expect(Array(part.verdicts) == Array(scans.verdicts)[4..<6].map { $0 })
        #expect(Array(part.flags) == Array(scans.flags)[4..<6].map { $0 })
        #expect(part.receivedUs.map(Array.init) == [90, 100])
        #expect((0..<2).map(part.orderedMicros) == [ScanRunTests.day + 4, ScanRunTests.day + 5])
    }

    @Test(arguments: 0..<200)
    func joinedRunsAreReadAsBefore(seed: Int) throws {
        var random = TestRandom(seed)
        var runs: [ScanRun] = []
        var next: Int64 = 1
        while next <= 512 {
            let count = min(Int.random(in: 1...200, using: &random), 513 - Int(next))
            runs += ScanRun.rows(of: scans(count, first: next, &random))
            next += Int64(count)
        }
        // Joined in two steps, so that runs with receipt times are joined as well.
        let middle = Int.random(in: 1...runs.count, using: &random)
        var steps = [ScanRun.joined(runs[..<middle])]
        if middle < runs.count { steps.append(ScanRun.joined(runs[middle...])) }
        let joined = ScanRun.joined(steps)
        #expect(joined.shown == runs.flatMap(\.shown), "seed \(seed)")
        #expect(joined.earliestMicros == runs.map(\.earliestMicros).min(), "seed \(seed)")
        #expect(joined.latestMicros == runs.map(\.latestMicros).max(), "seed \(seed)")
        #expect(joined.receivedUs?.min() ?? 0 == 0, "seed \(seed)")
    }

    @Test func runsThatArrivedTogetherNeedNoReceiptTimes() {
        var random = TestRandom(3)
        let rows = ScanRun.rows(of: scans(600, &random))
        let parts = [rows[0], rows[1]].map { ScanRun.joined([$0]) }
        #expect(parts.allSatisfy { $0.receivedUs == nil })
        let halves = [scans(9, first: 1, &random), scans(4, first: 10, &random)].map { half in
            var half = half
            half.receivedMicros = ScanRunTests.day
            return ScanRun.rows(of: half)[0]
        }
        #expect(ScanRun.joined(halves).receivedUs == nil)
    }

    @Test func onlyNeighboursThatFitAreJoined() throws {
        var random = TestRandom(1)
        let run = ScanRun.rows(of: scans(100, &random))[0]
        var next = ScanRun.rows(of: scans(412, first: 101, &random))[0]
        #expect(run.canJoin(next, after: 100))
        #expect(!run.canJoin(next, after: 99))
        let refused: [(inout ScanRun) -> Void] = [
            { $0.gate = nil }, { $0.snapshot = 8 }, { $0.journal = 5 }, { $0.first = 102 },
            { $0.baseMicros += 3_000_000_000_000 },
        ]
        for (index, change) in refused.enumerated() {
            var other = next
            change(&other)
            #expect(!run.canJoin(other, after: other.first - 1), "change \(index)")
        }
        #expect(!run.canJoin(ScanRun.rows(of: scans(413, first: 101, &random))[0], after: 100))
        // The bases are farther apart than an Int32, and the times of the scans are not.
        let shown = next.shown
        next.baseMicros += 2_500_000_000_000
        next.atMs = next.atMs.map { $0 - 2_000_000_000 }[...]
        #expect(run.canJoin(next, after: 100))
        let moved = shown.map { scan in
            var scan = scan
            scan.micros += 500_000_000_000
            return scan
        }
        #expect(ScanRun.joined([run, next]).shown.suffix(412) == moved[...])
    }

    @Test func overlappingRangesAreReadOnce() {
        typealias Range = ScanRunTable.Range
        let ranges = [
            Range(journal: 2, first: 5, last: 9), Range(journal: 1, first: 5, last: 9),
            Range(journal: 1, first: 1, last: 4), Range(journal: 1, first: 6, last: 7),
            Range(journal: 1, first: 11, last: 12),
        ]
        #expect(
            Range.merged(ranges) == [
                Range(journal: 1, first: 1, last: 9), Range(journal: 1, first: 11, last: 12),
                Range(journal: 2, first: 5, last: 9),
            ])
    }
}
