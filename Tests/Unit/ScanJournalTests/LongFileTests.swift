import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// A file that is too long to be checked completely at opening.
@Suite struct LongFileTests {
    private let folder = TemporaryFolder("long")
    private var path: String { folder.file("journal.sqlite") }

    private func make() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        _ = try journal.appendBatch(
            (1...20_000).map {
                Journal.Entry(
                    atMs: Int64($0), tag: TagID(rawValue: Int64($0)), verdict: .admitted, flags: [], gate: 7,
                    snapshot: 9)
            })
        try journal.database.execute("INSERT INTO reserve VALUES (99, zeroblob(\(DurableFile.checkedBytes)))")
        let isBusy = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(isBusy == 0)
    }

    /// Damages a page of scans in the middle.
    private func damage() throws {
        var bytes = try Files.read(path, limit: 1 << 28)
        let page = try #require(
            stride(from: 4_096, to: bytes.count, by: 4_096).first { start in
                var isWanted = false
                RecordCarver.referencedRecords(bytes[start..<start + 4_096]) {
                    if case .scan(_, let scan) = $0 { isWanted = isWanted || scan.seq == 9_000 }
                }
                return isWanted
            })
        // Its pointers are outside the page.
        for index in page + 8..<page + 40 { bytes[index] = 0xff }
        try Files.writeAtomically(bytes, to: path)
    }

    @Test func longFileIsCheckedByMaintenance() throws {
        try make()
        let journal = try Journal(folder: folder.path, scanner: scanner)
        let start = try #require(journal.maintenance.contentCheck)
        #expect(start.table == 0 && start.after == .min)
        while try journal.performMaintenance() {}
        #expect(journal.maintenance.contentCheck == nil && journal.maintenance.damage == nil)
        #expect(try journal.tap(1).seq == 1)
        #expect(journal.health.damaged.isEmpty)
    }

    @Test(arguments: [true, false]) func damageFoundByMaintenanceReplacesFile(_ byTap: Bool) throws {
        try make()
        try damage()
        var journal: Journal? = try Journal(folder: folder.path, scanner: scanner)
        #expect(journal?.health.damaged.isEmpty == true)
        #expect(try journal?.tap(1).seq == 1)
        while try journal!.performMaintenance() {}
        // The lane reopens the journal after a failed tap, or else the next start detects the damage.
        if byTap {
            let error = #expect(throws: DataFileError.self) { try journal!.tap(2) }
            #expect(error?.isDamaged == true)
        }
        journal = nil
        let next = try Journal(folder: folder.path, scanner: scanner)
        #expect(next.health.damaged.count == 1)
        #expect(try next.tap(2).seq == 1)
        let report = try Recovery(folder: folder.path).run(into: folder.file("out"))
        #expect(report.scans == 20_001)
    }
}
