import ScanBatchCodec
import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import Ingest

/// Tests groups of deliveries against a row-by-row model, with the tables in memory.
struct IngestGroupTests {
    private static let dayMs: Int64 = 1_780_272_000_000
    private static let journalID = JournalID(high: 3, low: 4)

    /// A batch of scanner `s-1` or `s-2`.
    private struct Sent: CustomStringConvertible {
        var batch: ScanBatch
        var receivedMicros: Int64
        var beginsGroup: Bool
        var joinsRuns: Bool

        var description: String {
            (beginsGroup ? "group " : "") + (joinsRuns ? "joining " : "")
                + "\(batch.scanner) \(batch.first)+\(batch.count) base \(batch.baseMicros / 1_000 - dayMs)"
        }
        var delivery: IngestDelivery {
            IngestDelivery(
                routingKey: Array("scan.\(batch.scanner)".utf8), userID: "relay", body: batch.encoded(),
                receivedMicros: receivedMicros)
        }
    }

    /// A scan with the columns of `tapline.scans`.
    private struct Row: Equatable {
        var content: ModelScan
        var gate: Int64?
        var snapshot: Int64
        var receivedMicros: Int64
    }

    /// The scans and counters of a journal, stored row by row: the first scan of a seq stays.
    private struct Model {
        var rows: [Int64: Row] = [:]
        var duplicates = 0
        var conflicts = 0
        var received = 0

        mutating func store(_ sent: Sent) -> IngestOutcome {
            var (stored, duplicates, conflicts) = (0, 0, 0)
            for index in 0..<sent.batch.count {
                let scan = sent.batch[index]
                let row = Row(
                    content: ModelScan(
                        tag: scan.tag.rawValue, atMs: scan.atMs, verdict: scan.verdict.rawValue,
                        flags: scan.flags.rawValue), gate: scan.gate ?? 1, snapshot: scan.snapshot,
                    receivedMicros: sent.receivedMicros)
                if let held = rows[scan.seq] {
                    if held.content == row.content { duplicates += 1 } else { conflicts += 1 }
                } else {
                    rows[scan.seq] = row
                    stored += 1
                }
            }
            received += sent.batch.count
            self.duplicates += duplicates
            self.conflicts += conflicts
            return .accepted(stored: stored, duplicates: duplicates, conflicts: conflicts)
        }
    }

    /// Returns the batches of two journals with the same ID: cut, repeated, overlapping and changed at random.
    private func batches(_ random: inout TestRandom) -> [Sent] {
        let length = Int.random(in: 0..<8, using: &random) == 0 ? 1_500 : 60
        var all: [Sent] = []
        for _ in 0..<Int.random(in: 2...16, using: &random) {
            let first = Int.random(in: 1...length, using: &random)
            let count = Int.random(in: 0...length / (Bool.random(using: &random) ? 6 : 1), using: &random)
            all.append(sent(first, count, &random))
            // The same batch, and the same scans in another batch.
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                var repeated = all[all.count - 1]
                if Bool.random(using: &random) {
                    repeated = sent(first, count, &random)
                    repeated.batch.scanner = all[all.count - 1].batch.scanner
                }
                all.append(repeated)
            }
        }
        return Bool.random(using: &random) ? all.shuffled(using: &random) : all
    }

    private func sent(_ first: Int, _ count: Int, _ random: inout TestRandom) -> Sent {
        var scans = (0..<count).map { index -> Scan in
            let seq = Int64(first + index)
            return Scan(
                seq: seq, atMs: IngestGroupTests.dayMs + seq * 10, tag: TagID(rawValue: seq &* 0x1e37_79b9_7f4a_7c15),
                verdict: seq % 5 == 0 ? .annulled : .admitted, flags: seq % 3 == 0 ? .out : [], gate: nil, snapshot: 7)
        }
        if count > 0, Int.random(in: 0..<5, using: &random) == 0 {
            let index = Int.random(in: 0..<count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: scans[index].tag = TagID(rawValue: 5)
            case 1: scans[index].atMs += 1
            case 2: scans[index].verdict = .blocked
            default: scans[index].flags = .inspection
            }
        }
        let scanner = ScannerID(Bool.random(using: &random) ? "s-1" : "s-2")!
        let sentMicros = IngestGroupTests.dayMs * 1_000
        var batch =
            scans.isEmpty
            ? ScanBatch(
                heartbeatOf: scanner, journalID: IngestGroupTests.journalID, next: Int64(first), gate: nil,
                snapshot: 7, sentMicros: sentMicros, backlog: 0)
            : ScanBatch(
                scanner: scanner, journalID: IngestGroupTests.journalID, scans: scans[...], sentMicros: sentMicros,
                backlog: 0)
        if Int.random(in: 0..<4, using: &random) == 0 { batch.gate = 9 }
        if Bool.random(using: &random) {
            batch.baseMicros -= 250_000
            batch.atMs = batch.atMs.map { $0 + 250 }
        }
        return Sent(
            batch: batch, receivedMicros: sentMicros + .random(in: 0...50_000_000, using: &random),
            beginsGroup: Int.random(in: 0..<3, using: &random) == 0,
            joinsRuns: Int.random(in: 0..<3, using: &random) == 0)
    }

    private func failure(_ batches: [Sent], _ seed: Int) -> String? {
        var random = TestRandom(seed)
        var store = FakeStore()
        var models: [String: Model] = [:]
        var rest = batches[...]
        while let first = rest.first {
            let end = rest.dropFirst().firstIndex(where: \.beginsGroup) ?? rest.endIndex
            let group = rest[..<end]
            rest = rest[end...]
            if first.joinsRuns { store.joinRuns { Bool.random(using: &random) } }
            let outcomes = store.store(group.map(\.delivery))
            for (sent, outcome) in zip(group, outcomes) {
                let expected = models[sent.batch.scanner, default: Model()].store(sent)
                if outcome != expected { return "\(outcome) instead of \(expected) for \(sent)" }
            }
            for (scanner, model) in models {
                let key = JournalKey(journalID: IngestGroupTests.journalID, scanner: scanner)
                guard let journal = store.journals[key] else { return "no journal of \(scanner)" }
                if let difference = difference(journal, model) { return "\(scanner): \(difference)" }
            }
        }
        return nil
    }

    private func difference(_ journal: FakeStore.Journal, _ model: Model) -> String? {
        let last = model.rows.keys.max() ?? 0
        let missing = (0..<last).map { $0 + 1 }.filter { model.rows[$0] == nil }
        if journal.gaps.all.flatMap({ Array($0.first...$0.last) }) != missing { return "gaps \(journal.gaps.all)" }
        if journal.last != last { return "last seq \(journal.last)" }
        let counters = [journal.received, journal.stored, journal.duplicates, journal.conflicts, journal.annulments]
        let annulments = model.rows.values.count { $0.content.verdict == Verdict.annulled.rawValue }
        let expected = [model.received, model.rows.count, model.duplicates, model.conflicts, annulments]
        if counters != expected.map(Int64.init) { return "counters \(counters) instead of \(expected)" }
        var rows: [Int64: Row] = [:]
        for run in journal.runs {
            guard (1...ScanRun.scansLimit).contains(run.count) else { return "a run of \(run.count) scans" }
            for (offset, (at, tag)) in zip(run.atMs, run.tags).enumerated() {
                let seq = run.first + Int64(offset)
                guard rows[seq] == nil else { return "seq \(seq) is stored twice" }
                rows[seq] = Row(
                    content: ModelScan(
                        tag: tag, atMs: run.baseMicros / 1_000 + Int64(at),
                        verdict: run.verdicts[run.verdicts.startIndex + offset],
                        flags: run.flags[run.flags.startIndex + offset]), gate: run.gate, snapshot: run.snapshot,
                    receivedMicros: run.receivedMicros + (run.receivedUs.map { $0[$0.startIndex + offset] } ?? 0))
            }
        }
        if rows == model.rows { return nil }
        let seqs = Set(rows.keys).union(model.rows.keys).filter { rows[$0] != model.rows[$0] }
        return "other scans at seqs \(seqs.sorted())"
    }

    @Test(arguments: 0..<20) func groupsStoreTheScansOfARowByRowModel(block: Int) {
        for seed in block * 25..<(block + 1) * 25 {
            var random = TestRandom(seed)
            let failed = shrunkenFailure(batches(&random)) { failure($0, seed) }
            #expect(failed == nil, "seed \(seed)")
        }
    }

    /// The columns of a new batch go to the database without a copy.
    @Test func newBatchIsOneRunThatSharesItsColumns() throws {
        var random = TestRandom(1)
        var batch = sent(1, 400, &random)
        batch.batch.scanner = "s-1"
        var group = IngestGroup([batch.delivery], [.batch(batch.batch)])
        group.admit(scanners: ["s-1": ScannerRow(gate: 1, isEnabled: true)])
        let key = try #require(group.journalKeys.first)
        let columns = JournalRow.Columns(
            id: 1, last: 0, next: 1, annulments: 0, skews: [], announced: 0, retired: 0)
        group.setJournals([key: JournalRow(columns, key: key)])
        #expect(group.lookups.isEmpty)
        group.classify(stored: [])
        let runs = group.takeNewRuns()
        #expect(runs.map(\.count) == [400])
        let address = batch.batch.tags.withUnsafeBufferPointer(\.baseAddress)
        #expect(runs.first?.tags.withUnsafeBufferPointer(\.baseAddress) == address)
        #expect(ScanRun.rows(of: runs[0])[0].tags.withUnsafeBufferPointer(\.baseAddress) == address)
    }
}
