import TestSupport
import Testing

@testable import Ingest

/// Tests the ledger against a naive model: a dictionary of the stored scans.
struct JournalLedgerTests {
    private struct Batch {
        var first: Int64
        var scans: [ScanContent]
        var range: ClosedRange<Int64> { first...first + Int64(scans.count) - 1 }
    }

    private func original(_ seq: Int64) -> ScanContent {
        ScanContent(tag: seq * 7, atMicros: seq * 1_000, verdict: 0, flags: 0)
    }

    /// Returns batches of one journal as a bad network delivers them: repeated, cut differently, overlapping, reversed, lost,
    /// and sometimes with other contents.
    private func deliveries(_ random: inout TestRandom) -> [Batch] {
        let length = Int64.random(in: 1...60, using: &random)
        var batches: [Batch] = []
        for _ in 0..<Int.random(in: 1...25, using: &random) {
            let first = Int64.random(in: 1...length, using: &random)
            let count = Int64.random(in: 0...12, using: &random)
            var scans = (0..<count).map { original(first + $0) }
            if !scans.isEmpty, Int.random(in: 0..<6, using: &random) == 0 {
                let index = Int.random(in: 0..<scans.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: scans[index].tag += 1
                case 1: scans[index].atMicros += 1_000
                case 2: scans[index].verdict = 64
                default: scans[index].flags = 1
                }
            }
            batches.append(Batch(first: first, scans: scans))
        }
        if Bool.random(using: &random) { batches.sort { $0.first < $1.first } }
        if Int.random(in: 0..<4, using: &random) == 0 { batches.reverse() }
        return batches
    }

    @Test(arguments: 0..<40)
    func agreesWithTheNaiveModel(block: Int) {
        for seed in block * 250..<(block + 1) * 250 {
            var random = TestRandom(seed)
            var database: [Int64: ScanContent] = [:]
            var gaps = SeqGaps()
            var last: Int64 = 0
            var rest = deliveries(&random)[...]
            // A group is one transaction. Stored scans come from the database between groups, and from the ledger within one.
            while !rest.isEmpty {
                let group = Array(rest.prefix(Int.random(in: 1...6, using: &random)))
                rest = rest.dropFirst(group.count)
                var ledger = JournalLedger(last: last, gaps: gaps)
                for batch in group {
                    guard let range = ledger.lookup(first: batch.first, count: batch.scans.count) else { continue }
                    for seq in range { ledger.stored[seq] = database[seq] }
                }
                for (source, batch) in group.enumerated() {
                    let before = database
                    let result = ledger.classify(first: batch.first, count: batch.scans.count, source: source) {
                        group[$0].scans[Int($1 - group[$0].first)]
                    }
                    check(result, of: batch, on: &database, seed)
                    #expect(result.isBehind == (!batch.scans.isEmpty && batch.first <= (before.keys.max() ?? 0)))
                }
                (last, gaps) = (ledger.last, ledger.gaps)
                #expect(last == database.keys.max() ?? 0, "seed \(seed)")
                #expect(ledger.next == (1...last + 1).first { database[$0] == nil }, "seed \(seed)")
                let missing = last == 0 ? [] : (1...last).filter { database[$0] == nil }
                #expect(gaps.all.flatMap { Array($0.first...$0.last) } == missing, "seed \(seed)")
            }
        }
    }

    private func check(
        _ result: JournalLedger.Classification, of batch: Batch, on database: inout [Int64: ScanContent], _ seed: Int
    ) {
        var new: [Int64] = []
        var conflicts: [Int64] = []
        var duplicates = 0
        for (offset, scan) in batch.scans.enumerated() {
            let seq = batch.first + Int64(offset)
            if let held = database[seq] {
                if held == scan { duplicates += 1 } else { conflicts.append(seq) }
            } else {
                new.append(seq)
                database[seq] = scan
            }
        }
        #expect(result.new.flatMap(Array.init) == new, "seed \(seed)")
        #expect(result.duplicates == duplicates, "seed \(seed)")
        #expect(result.conflicts == conflicts, "seed \(seed)")
        for (left, right) in zip(result.new, result.new.dropFirst()) {
            #expect(left.upperBound + 1 < right.lowerBound, "seed \(seed)")
        }
    }

    @Test func batchAboveTheLastSeqIsNewWithoutComparison() {
        var ledger = JournalLedger(last: 10)
        #expect(ledger.lookup(first: 11, count: 5) == nil)
        #expect(ledger.lookup(first: 10, count: 5) == 10...10)
        #expect(ledger.lookup(first: 3, count: 2) == 3...4)
        #expect(ledger.lookup(first: 3, count: 0) == nil)
        let result = ledger.classify(first: 13, count: 2, source: 0) { _, _ in
            Issue.record("a new scan was compared")
            return original(0)
        }
        #expect(result == .init(new: [13...14]))
        #expect(ledger.gaps.all == [.init(first: 11, last: 12)])
        #expect(ledger.next == 11)
    }

    @Test func heartbeatChangesNothing() {
        var ledger = JournalLedger(last: 10)
        let result = ledger.classify(first: 99, count: 0, source: 0) { _, _ in original(0) }
        #expect(result == .init())
        #expect(ledger.last == 10)
        #expect(ledger.gaps.all.isEmpty)
    }

    @Test func restOfAnAcceptedGapStaysAccepted() {
        var gaps = SeqGaps([.init(first: 1, last: 10, acceptedAt: 5), .init(first: 20, last: 29)])
        let before = gaps
        gaps.fill(4...22)
        #expect(gaps.all == [.init(first: 1, last: 3, acceptedAt: 5), .init(first: 23, last: 29)])
        let changes = gaps.changes(from: before)
        #expect(changes.deleted == [1, 20])
        #expect(changes.inserted == gaps.all)
        gaps.fill(1...100)
        #expect(gaps.all.isEmpty)
    }

    @Test func skewIsTheMinimumOfTheLastTwenty() {
        var window = SkewWindow()
        #expect(window.skew == nil)
        window.add(-5)
        for value in 1...19 { window.add(Int64(value)) }
        #expect(window.skew == -5)
        window.add(20)
        #expect(window.skew == 1)
        #expect(window.values.count == SkewWindow.size)
        #expect(SkewWindow(Array(1...50)).values == Array(31...50))
    }
}
