import Postgres
import ScanModel
import ScanRuns
import TestSupport
import Testing

/// Tests what a repeated batch is compared with: the contents of stored runs.
struct ScanContentsTests {
    /// A scan without its receipt.
    private struct Content: Equatable {
        let journal: Int64
        let seq: Int64
        let micros: Int64
        let tag: Int64
        let verdict: UInt8
        let flags: UInt8
    }

    private func contents(_ runs: [ScanRun]) -> [Content] {
        runs.flatMap { run in
            (0..<run.count).map { offset in
                Content(
                    journal: run.journal, seq: run.first + Int64(offset),
                    micros: run.baseMicros + Int64(run.atMs[run.atMs.startIndex + offset]) * 1_000,
                    tag: run.tags[run.tags.startIndex + offset],
                    verdict: run.verdicts[run.verdicts.startIndex + offset],
                    flags: run.flags[run.flags.startIndex + offset])
            }
        }
    }

    /// Stores runs of equal size. Gates, bases and receipts vary.
    private func store(
        _ fixture: IngestFixture, journal: Int64, from first: Int64, runs: Int, scans: Int
    ) throws {
        var random = TestRandom(Int(first) + scans)
        let gates: [Int64?] = [nil, 1, 2]
        let stored = (0..<runs).map { run -> StoredScans in
            let base = IngestFixture.day + Int64(run) * 1_000_000
            let atMs = (0..<scans).map { Int32($0 * 3 - 40) }
            let tags = (0..<scans).map { _ in Int64(bitPattern: random.next()) }
            let verdicts = (0..<scans).map { UInt8(($0 + run) % 7) }
            let flags = (0..<scans).map { UInt8(($0 + run) % 5) }
            return StoredScans(
                journal: journal, scanner: "s-1", journalID: JournalID(high: 1, low: 2),
                first: first + Int64(run * scans), baseMicros: base, atMs: atMs[...], tags: tags[...],
                verdicts: verdicts[...], flags: flags[...], gate: gates[run % 3], snapshot: Int64(run % 2),
                receivedMicros: base + Int64(run) * 500_000, isBehind: false)
        }
        try ScanRunTable(fixture.connection).copy(stored, CopyBuffer())
    }

    @Test func contentsOfSmallRunsAreMerged() throws {
        let fixture = try IngestFixture()
        for journal in 1...2 { try fixture.addJournal(journal) }
        try store(fixture, journal: 1, from: 1, runs: 1_500, scans: 1)
        try store(fixture, journal: 1, from: 1_502, runs: 40, scans: 100)
        try store(fixture, journal: 2, from: 5_502, runs: 10, scans: 3)
        let ranges = [
            ScanRunTable.Range(journal: 2, first: 5_503, last: 5_520), .init(journal: 1, first: 200, last: 4_000),
            .init(journal: 1, first: 3_000, last: 5_000),
        ]
        let table = ScanRunTable(fixture.connection)
        let (runs, merged) = (try table.runs(overlapping: ranges), try table.contents(overlapping: ranges))
        #expect(contents(merged) == contents(runs))
        #expect(runs.count > 1_300 && merged.count < 15, "\(merged.count) of \(runs.count)")
        #expect(merged.allSatisfy { $0.count <= ScanRun.scansLimit })
        #expect(try table.contents(overlapping: []) == [])
    }

    @Test func runAtThePageLimitIsReadOnce() throws {
        let fixture = try IngestFixture()
        try fixture.addJournal(1)
        try store(fixture, journal: 1, from: 1, runs: 140, scans: 500)
        let all = [ScanRunTable.Range(journal: 1, first: 1, last: 70_000)]
        #expect(ScanRunTable.contentsSeqs % 500 != 0 && ScanRunTable.contentsSeqs < 35_000)
        let table = ScanRunTable(fixture.connection)
        #expect(try table.contents(overlapping: all) == table.runs(overlapping: all))
    }

    @Test func runsWithDistantClocksStayApart() throws {
        let fixture = try IngestFixture()
        try fixture.addJournal(1)
        let days: [Int64] = [0, 1, 40, 41, -40]
        let runs = days.enumerated().map { index, days in
            StoredScans(
                journal: 1, scanner: "s-1", journalID: JournalID(high: 1, low: 2), first: Int64(index + 1),
                baseMicros: IngestFixture.day + days * 86_400_000_000, atMs: [7], tags: [9], verdicts: [0], flags: [0],
                gate: 1, receivedMicros: IngestFixture.day, isBehind: false)
        }
        let table = ScanRunTable(fixture.connection)
        try table.copy(runs, CopyBuffer())
        let all = [ScanRunTable.Range(journal: 1, first: 1, last: 5)]
        let merged = try table.contents(overlapping: all)
        #expect(merged.map(\.count) == [2, 2, 1])
        #expect(contents(merged) == contents(try table.runs(overlapping: all)))
    }
}
