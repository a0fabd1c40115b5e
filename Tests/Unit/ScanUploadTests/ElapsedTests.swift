import FileSystem
import LinuxSystem
import SQLite
import ScanBatchCodec
import ScanJournal
import ScanModel
import TestSupport
import Testing

@testable import ScanUpload

/// The batch key `elapsed`: what a device can prove about the time of a scan under an untrusted clock.
@Suite struct ElapsedTests {
    private let folder = TemporaryFolder("elapsed")
    private let scanner = ScannerID("gate-7")!
    private let boot = BootID(bytes: Array(repeating: 7, count: 16))

    private final class Monotonic {
        var ms: Int64 = 1_000
    }

    private func entry(_ flags: Flags) -> Journal.Entry {
        Journal.Entry(atMs: 5_000, tag: TagID(rawValue: 1), verdict: .admitted, flags: flags, gate: 7, snapshot: 9)
    }

    @Test func elapsedIsKnownForFlaggedScansOfThisBoot() throws {
        let clock = Monotonic()
        let journal = try Journal(
            folder: folder.path, scanner: scanner, monotonicMs: { clock.ms }, bootID: boot)
        for flags in [.clockNotTrusted, [], .clockNotTrusted] as [Flags] {
            _ = try journal.append(entry(flags))
            clock.ms += 500
        }
        let reader = JournalReader(folder: folder.path)
        let number = try #require(try reader.journals().first).id
        let scans = try reader.read(journal: number, after: 0, limit: 10)
        let all = try reader.elapsedMs(journal: number, scans[...], monotonicMs: 4_000, boot: boot)
        #expect(all == [3_000, -1, 2_000])
        #expect(try reader.elapsedMs(journal: number, scans[2...], monotonicMs: 4_000, boot: boot) == [2_000])
        #expect(try reader.elapsedMs(journal: number, scans[1...1], monotonicMs: 4_000, boot: boot) == nil)
        // Another boot, and one that is not known.
        let other = BootID(bytes: Array(repeating: 8, count: 16))
        #expect(try reader.elapsedMs(journal: number, scans[...], monotonicMs: 4_000, boot: other) == nil)
        #expect(try reader.elapsedMs(journal: number, scans[...], monotonicMs: 4_000, boot: nil) == nil)
        // A clock that does not fit, and a distance beyond 24 days.
        #expect(try reader.elapsedMs(journal: number, scans[...], monotonicMs: 1_500, boot: boot) == [500, -1, -1])
        #expect(try reader.elapsedMs(journal: number, scans[...], monotonicMs: 1 << 40, boot: boot) == [-1, -1, -1])
    }

    /// A journal of an earlier version gets the table when a gate opens it. Until then it is read without.
    @Test func journalOfAnEarlierVersionIsReadable() throws {
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            _ = try journal.append(entry(.clockNotTrusted))
            // Closed before the journal, which leaves the WAL to the reader.
            do {
                let database = try Database(folder.file("journal.sqlite"), .readWrite)
                try database.execute("DROP TABLE clocks")
            }
            withExtendedLifetime(journal) {}
        }
        do {
            let reader = JournalReader(folder: folder.path)
            let number = try #require(try reader.journals().first).id
            let scans = try reader.read(journal: number, after: 0, limit: 10)
            #expect(try scans.count == 1 && reader.elapsedMs(journal: number, scans[...]) == nil)
        }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        _ = try journal.append(entry(.clockNotTrusted))
        let reader = JournalReader(folder: folder.path)
        let next = try #require(try reader.journals().last).id
        let later = try reader.read(journal: next, after: 0, limit: 10)
        #expect(try reader.elapsedMs(journal: next, later[...])?.count == 1)
    }

    @Test func exportedBatchCarriesElapsed() throws {
        let journal = try Journal(folder: folder.file("data"), scanner: scanner)
        _ = try journal.appendBatch([entry(.clockNotTrusted), entry([])])
        _ = try BatchExport(.unconfirmed, folder: folder.file("data"), scanner: nil, output: folder.file("out")).run()
        let name = try #require(try Files.list(folder.file("out")).first)
        let batch = try ScanBatch(decoding: Files.read(folder.file("out") + "/" + name))
        let elapsed = try #require(batch.elapsedMs)
        #expect(elapsed.count == 2 && (0..<60_000).contains(elapsed[0]) && elapsed[1] == -1)
    }
}
