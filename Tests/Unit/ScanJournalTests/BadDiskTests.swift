import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// A card that fails: blocks that cannot be read, files that cannot be written. The lane opens all the same.
@Suite(.serialized) struct BadDiskTests {
    private func entries(_ count: Int) -> [Journal.Entry] {
        (1...count).map {
            Journal.Entry(
                atMs: 1_795_468_021_123 + Int64($0), tag: TagID(rawValue: Int64($0)), verdict: .admitted, flags: [],
                gate: 7, snapshot: 1)
        }
    }

    private func make(_ folder: String, _ count: Int) throws -> JournalID {
        let journal = try Journal(folder: folder, scanner: scanner)
        _ = try journal.appendBatch(entries(count))
        #expect(try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
        return journal.id
    }

    @Test func aFileOnBadBlocksIsSetAside() throws {
        let disk = try SmallDisk(.ext4, megabytes: 32)
        let folder = disk.path + "/data"
        let old = try make(folder, 4_000)
        try disk.breakFrom(40_960, of: folder + "/journal.sqlite")
        let journal = try Journal(folder: folder, scanner: scanner)
        #expect(journal.health.damaged.count == 1 && journal.id != old)
        #expect(try journal.tap(1).seq == 1)
        #expect(try JournalReader(folder: folder).journals().map(\.log) == [journal.id])
    }

    @Test func whatLiesBeforeTheBadBlocksIsRecovered() throws {
        let disk = try SmallDisk(.ext4, megabytes: 32)
        let folder = disk.path + "/data"
        let old = try make(folder, 4_000)
        let size = try #require(Files.status(folder + "/journal.sqlite")).size
        #expect(size > 120_000)
        try disk.breakFrom(81_920, of: folder + "/journal.sqlite")
        let salvaged = try Files.salvage(folder + "/journal.sqlite", at: 0, count: size)
        #expect(salvaged.count == size && salvaged[81_920...].allSatisfy { $0 == 0 } && salvaged.contains { $0 != 0 })
        let out = TemporaryFolder("recovered")
        let report = try Recovery(folder: folder).run(into: out.path)
        #expect(report.files.count == 1)
        let reader = JournalReader(folder: out.path)
        let records = try reader.journals()
        #expect(records.map(\.log) == [old])
        // 20 pages, of which some are others'.
        let scans = try reader.read(journal: records[0].id, after: 0, limit: 10_000)
        #expect(scans.count > 1_000 && scans.count < 4_000 && scans.allSatisfy { $0.tag.rawValue == $0.seq })
    }

    /// The disk failed for a moment: the same file is gone on with.
    @Test func aFailureThatPassesCostsNoFile() throws {
        let folder = TemporaryFolder("passing")
        var journal: Journal? = try Journal(folder: folder.path, scanner: scanner)
        for number in 1...5 { try journal!.tap(Int64(number)) }
        #expect(try BadDescriptors.breakAll(of: folder.file("journal.sqlite-wal")) > 0)
        let error = #expect(throws: DataFileError.self) { try journal!.tap(6) }
        #expect(error?.isDamaged == true && error?.isFull == false)
        journal = nil
        let next = try Journal(folder: folder.path, scanner: scanner)
        #expect(try next.tap(6).seq == 1)
        #expect(next.health.damaged.isEmpty)
        #expect(try JournalReader(folder: folder.path).journals().map(\.lastSeq) == [5, 1])
    }

    @Test func aPageThatCannotBeReadIsToldAsDamage() throws {
        let folder = TemporaryFolder("unreadable")
        let journal = try Journal(folder: folder.path, scanner: scanner)
        _ = try journal.appendBatch(entries(2_000))
        _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        try BadDescriptors.breakAll(of: folder.file("journal.sqlite"))
        try journal.database.execute("PRAGMA shrink_memory")
        let error = #expect(throws: DataFileError.self) { try journal.tap(1) }
        #expect(error?.isDamaged == true)
    }

    /// It can be read, and takes nothing: what an opening finds out before the first tap.
    @Test func aFileThatTakesNothingIsNoticed() throws {
        let folder = TemporaryFolder("unwritable")
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try JournalFile.durable.proveWritable(journal.database)
        try BadDescriptors.breakAll(of: folder.file("journal.sqlite-wal"))
        let error = #expect(throws: SQLiteError.self) { try JournalFile.durable.proveWritable(journal.database) }
        #expect(error?.isDiskFailure == true && error?.isFull == false)
    }

    /// A file system that is read-only by now: nothing can be set aside, the reason is told, and all stays as it is.
    @Test func whatCannotBeSetAsideIsTold() throws {
        let disk = try SmallDisk(.ext4, megabytes: 32)
        let folder = disk.path + "/data"
        _ = try make(folder, 1_000)
        let path = folder + "/journal.sqlite"
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: path)
        try Run.succeeding("mount", ["-o", "remount,ro", disk.path])
        let names = try Files.list(folder)
        let error = #expect(throws: DataFileError.self) { try JournalFile.durable.open(path) }
        #expect(error?.detail.contains("cannot be renamed") == true && error?.isDamaged == false)
        #expect(try Files.list(folder) == names)
    }
}
