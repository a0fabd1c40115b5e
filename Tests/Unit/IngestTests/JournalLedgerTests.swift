import TestSupport
import Testing

@testable import Ingest

/// The fields that make two scans with the same seq the same scan.
struct ModelScan: Equatable {
    var tag: Int64
    var atMs: Int64
    var verdict: UInt8
    var flags: UInt8
}

extension ScanColumns {
    /// - Parameters:
    ///   - first: seq of the first scan.
    ///   - scans: any number.
    ///   - baseMs: base of the device times, milliseconds since 1970-01-01 UTC.
    init(first: Int64, _ scans: [ModelScan], baseMs: Int64) {
        self.init(
            first: first, baseMicros: baseMs * 1_000, atMs: scans.map { Int32($0.atMs - baseMs) }[...],
            tags: scans.map(\.tag)[...], verdicts: scans.map(\.verdict)[...], flags: scans.map(\.flags)[...])
    }
}

/// Tests the ledger against a naive model: a dictionary of the stored scans, in which the first scan of a seq stays.
struct JournalLedgerTests {
    private struct Batch: CustomStringConvertible {
        var first: Int64
        var scans: [ModelScan]
        var baseMs: Int64
        var beginsGroup: Bool
        /// Retention has dropped all scans before the group.
        var isAfterRetention: Bool

        var columns: ScanColumns { ScanColumns(first: first, scans, baseMs: baseMs) }
        var description: String {
            let changed = scans.indices.filter { scans[$0] != JournalLedgerTests.original(first + Int64($0)) }
            return (isAfterRetention ? "retention " : "") + (beginsGroup ? "group " : "")
                + "\(first)+\(scans.count) changed \(changed.map { first + Int64($0) })"
        }
    }

    private static func original(_ seq: Int64) -> ModelScan {
        ModelScan(tag: seq * 7, atMs: seq * 10, verdict: 0, flags: 0)
    }

    /// Returns batches of one journal as a bad network delivers them: repeated, cut differently, overlapping, reversed,
    /// lost, and sometimes with other contents.
    private func deliveries(_ random: inout TestRandom) -> [Batch] {
        let length = Int64.random(in: 1...60, using: &random)
        var batches: [Batch] = []
        for _ in 0..<Int.random(in: 1...25, using: &random) {
            let first = Int64.random(in: 1...length, using: &random)
            let count = Int64.random(in: 0...12, using: &random)
            var scans = (0..<count).map { JournalLedgerTests.original(first + $0) }
            if !scans.isEmpty, Int.random(in: 0..<6, using: &random) == 0 {
                let index = Int.random(in: 0..<scans.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: scans[index].tag += 1
                case 1: scans[index].atMs += 1
                case 2: scans[index].verdict = 64
                default: scans[index].flags = 1
                }
            }
            batches.append(
                Batch(
                    first: first, scans: scans, baseMs: .random(in: 0...1, using: &random) * 500,
                    beginsGroup: Int.random(in: 0..<4, using: &random) == 0,
                    isAfterRetention: Int.random(in: 0..<40, using: &random) == 0))
        }
        if Bool.random(using: &random) { batches.sort { $0.first < $1.first } }
        if Int.random(in: 0..<4, using: &random) == 0 { batches.reverse() }
        return batches
    }

    /// The stored scans of a journal. The value of a scan that retention has dropped is `nil`.
    private struct Model {
        var held: [Int64: ModelScan?] = [:]
        var last: Int64 { held.keys.max() ?? 0 }

        /// Stores a batch scan by scan.
        mutating func store(_ batch: Batch) -> JournalLedger.Classification {
            var result = JournalLedger.Classification(isBehind: !batch.scans.isEmpty && batch.first <= last)
            for (offset, scan) in batch.scans.enumerated() {
                let seq = batch.first + Int64(offset)
                if let known = held[seq] {
                    if known == nil || known == scan { result.duplicates += 1 } else { result.conflicts.append(seq) }
                    continue
                }
                held[seq] = .some(scan)
                if let end = result.new.last, end.upperBound == seq - 1 {
                    result.new[result.new.count - 1] = end.lowerBound...seq
                } else {
                    result.new.append(seq...seq)
                }
            }
            return result
        }

        /// Returns the stored scans as runs of any boundaries and bases.
        func runs(_ random: inout TestRandom) -> [ScanColumns] {
            var runs: [(first: Int64, scans: [ModelScan])] = []
            var limit = 0
            for (seq, scan) in held.sorted(by: { $0.key < $1.key }) {
                guard let scan else { continue }
                if let end = runs.last, end.first + Int64(end.scans.count) == seq, end.scans.count < limit {
                    runs[runs.count - 1].scans.append(scan)
                } else {
                    runs.append((seq, [scan]))
                    limit = .random(in: 1...20, using: &random)
                }
            }
            return runs.map {
                ScanColumns(first: $0.first, $0.scans, baseMs: .random(in: 0...1, using: &random) * 500)
            }
        }
    }

    /// Runs the ledger and the model. A group is one transaction: stored scans come from the database between groups,
    /// and from the ledger within one.
    private func failure(_ batches: [Batch], _ seed: Int) -> String? {
        var random = TestRandom(seed)
        var model = Model()
        var ledger = JournalLedger()
        for (index, batch) in batches.enumerated() {
            if index == 0 || batch.beginsGroup {
                var retired = ledger.retired
                if batch.isAfterRetention {
                    for seq in model.held.keys { model.held[seq] = .some(nil) }
                    retired = ledger.last
                }
                ledger = JournalLedger(last: ledger.last, gaps: ledger.gaps, retired: retired)
                let end = batches[(index + 1)...].firstIndex(where: \.beginsGroup) ?? batches.count
                let lookups = batches[index..<end].compactMap { ledger.lookup(first: $0.first, count: $0.scans.count) }
                for run in model.runs(&random) where lookups.contains(where: { $0.overlaps(run.first...run.last) }) {
                    ledger.hold(run)
                }
            }
            let (result, expected) = (ledger.classify(batch.columns), model.store(batch))
            if result != expected { return "\(result) instead of \(expected)" }
            let missing = model.last == 0 ? [] : (1...model.last).filter { model.held[$0] == nil }
            if ledger.last != model.last { return "last is \(ledger.last)" }
            if ledger.next != missing.first ?? model.last + 1 { return "next is \(ledger.next)" }
            let gaps = ledger.gaps.all.flatMap { Array($0.first...$0.last) }
            if gaps != missing { return "gaps \(gaps) instead of \(missing)" }
        }
        return nil
    }

    @Test(arguments: 0..<40)
    func agreesWithTheNaiveModel(block: Int) {
        for seed in block * 250..<(block + 1) * 250 {
            var random = TestRandom(seed)
            let failed = shrunkenFailure(deliveries(&random)) { failure($0, seed) }
            #expect(failed == nil, "seed \(seed)")
        }
    }

    @Test func batchAboveTheLastSeqIsNewWithoutComparison() {
        var ledger = JournalLedger(last: 10)
        #expect(ledger.lookup(first: 11, count: 5) == nil)
        #expect(ledger.lookup(first: 10, count: 5) == 10...10)
        #expect(ledger.lookup(first: 3, count: 2) == 3...4)
        #expect(ledger.lookup(first: 3, count: 0) == nil)
        let scans = (13...14).map(JournalLedgerTests.original)
        let result = ledger.classify(ScanColumns(first: 13, scans, baseMs: 0))
        #expect(result == .init(new: [13...14]))
        #expect(ledger.gaps.all == [.init(first: 11, last: 12)])
        #expect(ledger.next == 11)
    }

    @Test func heartbeatChangesNothing() {
        var ledger = JournalLedger(last: 10)
        let result = ledger.classify(ScanColumns(first: 99, [], baseMs: 0))
        #expect(result == .init())
        #expect(ledger.last == 10)
        #expect(ledger.gaps.all.isEmpty)
    }

    @Test func columnsWithAnotherBaseHoldTheSameScans() {
        let scans = (1...6).map(JournalLedgerTests.original)
        let columns = ScanColumns(first: 1, scans, baseMs: 0)
        #expect(columns.differences(from: ScanColumns(first: 1, scans, baseMs: -77), in: 1...6) == [])
        var other = Array(scans[2...])
        other[0].atMs += 1
        other[3].flags = 2
        #expect(columns.differences(from: ScanColumns(first: 3, other, baseMs: 40), in: 3...6) == [3, 6])
        #expect(columns.differences(from: ScanColumns(first: 3, other, baseMs: 0), in: 4...5) == [])
    }

    @Test func restOfAnAcceptedGapStaysAccepted() {
        var gaps = SeqGaps([.init(first: 1, last: 10, acceptedAt: 5), .init(first: 20, last: 29)])
        let before = gaps
        #expect(gaps.ranges(in: 4...22) == [4...10, 20...22])
        #expect(gaps.ranges(in: 11...19) == [])
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
