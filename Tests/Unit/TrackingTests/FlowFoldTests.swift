import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import Tracking

/// Tests the counts of the time slots against counting each scan.
struct FlowFoldTests {
    private static let now: Int64 = 1_780_272_000_000_000

    private func run(_ gate: Int64?, _ scans: [(ageMs: Int64, verdict: UInt8, flags: UInt8, tag: Int64)]) -> StoredScans
    {
        StoredScans(
            journal: 1, scanner: "s", journalID: .random(), first: 1, baseMicros: FlowFoldTests.now,
            atMs: scans.map { Int32(-$0.ageMs) }[...], tags: scans.map(\.tag)[...], verdicts: scans.map(\.verdict)[...],
            flags: scans.map(\.flags)[...], gate: gate, receivedMicros: FlowFoldTests.now, isBehind: false)
    }

    @Test(arguments: 0..<50) func slotSumsEqualTheCountsOfTheScans(seed: Int) {
        var random = TestRandom(seed)
        var fold = FlowFold(nowMicros: FlowFoldTests.now)
        var expected: [Int64: FlowFold.Counts] = [:]
        for _ in 0..<5 {
            let gate: Int64? = [nil, 1, 2].randomElement(using: &random)!
            let scans = (0..<40).map { _ in
                (
                    ageMs: Int64.random(in: -5_000...600_000, using: &random),
                    verdict: [UInt8(0), 0, 0, 1, 63, 64, 65, 128, 133, 134].randomElement(using: &random)!,
                    flags: UInt8.random(in: 0...31, using: &random), tag: Int64.random(in: 0...3, using: &random)
                )
            }
            fold.add(run(gate, scans))
            guard let gate else { continue }
            for scan in scans {
                var counts = FlowFold.Counts()
                let (isOut, isInspection) = (scan.flags & 1 == 1, scan.flags & 16 != 0)
                if scan.verdict == 0, !isInspection, scan.tag != 0 {
                    (counts.passedIn, counts.passedOut) = isOut ? (0, 1) : (1, 0)
                }
                if (1...63).contains(scan.verdict), !isInspection { counts.refused = 1 }
                if scan.verdict == 64 { counts.annulled = 1 }
                if scan.verdict == 133 || scan.verdict == 134 { counts.untapped = 1 }
                if scan.verdict < 128 { counts.lastMicros = FlowFoldTests.now - max(0, scan.ageMs) * 1_000 }
                expected[gate, default: FlowFold.Counts()].add(counts)
            }
        }
        var sums: [Int64: FlowFold.Counts] = [:]
        for (slot, counts) in fold.slots { sums[slot.gate, default: FlowFold.Counts()].add(counts) }
        #expect(sums == expected)
        var refused: [Int64: Int64] = [:]
        for (refusal, count) in fold.refusals { refused[refusal.gate, default: 0] += count }
        #expect(refused == expected.mapValues(\.refused).filter { $0.value > 0 })
    }

    @Test func refusalsAreCountedByMinuteAndVerdict() {
        var fold = FlowFold(nowMicros: FlowFoldTests.now)
        // The last one is an inspection.
        fold.add(run(7, [(5_000, 3, 0, 1), (6_000, 3, 1, 2), (7_000, 8, 0, 0), (65_000, 3, 0, 1), (5_000, 3, 16, 1)]))
        let minute = FlowFoldTests.now - 60_000_000
        #expect(
            fold.refusals == [
                FlowFold.Refusal(gate: 7, minuteMicros: minute, verdict: 3): 2,
                FlowFold.Refusal(gate: 7, minuteMicros: minute, verdict: 8): 1,
                FlowFold.Refusal(gate: 7, minuteMicros: minute - 60_000_000, verdict: 3): 1,
            ])
    }

    @Test func recentSlotsAreTenSecondsAndOlderOnesMinutes() {
        var fold = FlowFold(nowMicros: FlowFoldTests.now)
        fold.add(run(1, [(5_000, 0, 0, 1), (119_000, 0, 0, 1), (121_000, 0, 0, 1), (179_000, 0, 0, 1)]))
        let starts = fold.slots.keys.map { (FlowFoldTests.now - $0.startMicros) / 1_000_000 }.sorted()
        #expect(starts == [10, 120, 180])
        #expect(fold.slots.values.reduce(0) { $0 + $1.passedIn } == 4)
    }

    @Test func annulledAdmissionIsSubtracted() {
        var fold = FlowFold(nowMicros: FlowFoldTests.now)
        fold.add(run(1, [(5_000, 0, 1, 1)]))
        fold.annul(gate: 1, orderedMicros: FlowFoldTests.now - 5_000_000, flags: .out, by: 1)
        fold.annul(gate: 1, orderedMicros: FlowFoldTests.now, flags: .inspection, by: 1)
        fold.annul(gate: nil, orderedMicros: FlowFoldTests.now, flags: [], by: 1)
        #expect(fold.slots.values.reduce(0) { $0 + $1.passedOut } == 0)
    }
}
