import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// A power cut during the rename of a corrupt file, and a WAL whose database is lost.
struct CorruptFileTests {
    private let folder = TemporaryFolder("corrupt")
    private var path: String { folder.file("journal.sqlite") }

    /// Makes a journal whose last scans are only in the WAL. Returns all scans.
    private func make() throws -> (JournalID, [Scan]) {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        var scans = try journal.appendBatch((1...2_000).map(Self.entry))
        _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        scans += try (2_001...2_050).map { try journal.append(Self.entry($0)) }
        return (journal.id, scans)
    }

    private static func entry(_ number: Int) -> Journal.Entry {
        Journal.Entry(
            atMs: 1_795_468_021_123 + Int64(number), tag: TagID(rawValue: Int64(number)), verdict: .admitted, flags: [],
            gate: 7, snapshot: 1)
    }

    private func recovered(_ name: String) throws -> [JournalID: [Scan]] {
        let out = folder.file(name)
        _ = try Recovery(folder: folder.path).run(into: out)
        let reader = JournalReader(folder: out)
        return try Dictionary(
            uniqueKeysWithValues: reader.journals().map {
                ($0.journalID, try reader.read(journal: $0.id, after: 0, limit: 100_000))
            })
    }

    @Test(arguments: 0...3) func interruptedRenameIsCompletedByNextStart(_ steps: Int) throws {
        let (log, scans) = try make()
        var bytes = try Files.read(path)
        for index in 0..<100 { bytes[index] = 0 }
        // The WAL must not contain the first page, which would restore the header.
        try Files.writeAtomically(bytes, to: path)
        let walBytes = try Files.read(path + "-wal")
        let name = path + ".damaged-2026-11-25T150000Z"
        for suffix in CorruptFile.suffixes.prefix(steps) { try Files.rename(path + suffix, to: name + suffix) }

        let sources = Recovery(folder: folder.path).sources()
        #expect(sources == [steps == 3 ? name : path])
        #expect(try recovered("before") == [log: scans])
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.tap(1).seq == 1)
        let after = Recovery(folder: folder.path).sources()
        #expect(after.count == 1 && (steps == 0 || after == [name]))
        #expect(try Files.read(after[0] + "-wal") == walBytes)
        #expect(try Files.list(folder.path).filter { $0.hasSuffix("-wal") }.count == 2)
        #expect(try recovered("after") == [log: scans])
    }

    @Test(arguments: [true, false]) func walWithoutItsDatabaseIsKept(_ isMissing: Bool) throws {
        let (_, scans) = try make()
        if isMissing { try Files.remove(path) } else { try Files.writeAtomically([], to: path) }
        let walBytes = try Files.read(path + "-wal")
        // Neither a publisher nor a status command may change it.
        #expect(try JournalReader(folder: folder.path).journals().isEmpty)
        #expect(Recovery(folder: folder.path).sources() == [path])
        #expect(try Files.read(path + "-wal") == walBytes)
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.tap(1).seq == 1)
        let damaged = try #require(journal.health.damaged.first)
        #expect(try Files.read(folder.file(damaged) + "-wal") == walBytes)
        let report = try Recovery(folder: folder.path, scanner: scanner).run(into: folder.file("out"))
        // The WAL contains the pages of the last 50 scans.
        #expect(report.scans + report.orphans >= 50 && report.scans + report.orphans < scans.count)
    }

    @Test func walWithoutItsCursorFileIsKept() throws {
        // The state after a kill. A publisher that ends normally leaves no WAL.
        let killed = try folder.folder("killed")
        do {
            let cursors = try UploadCursors(folder: folder.path)
            try cursors.advance(.random(), scanner: scanner, to: 3)
            for suffix in ["-wal", "-shm"] {
                try Files.copy(folder.file("shipped.sqlite" + suffix), to: killed + "/shipped.sqlite" + suffix)
            }
        }
        let path = killed + "/shipped.sqlite"
        try Files.writeAtomically([], to: path)
        let walBytes = try Files.read(path + "-wal")
        #expect(try UploadCursors.read(folder: killed).isEmpty)
        #expect(try Files.read(path + "-wal") == walBytes)
        do { _ = try UploadCursors(folder: killed) }
        let renamed = try #require(CorruptFile.names(path).first)
        #expect(try Files.read(renamed + "-wal") == walBytes)
    }

    /// The WAL of an earlier corrupt file does not affect a valid one.
    @Test func leftoverWALDoesNotAffectValidJournal() throws {
        let (log, _) = try make()
        try Files.copy(path + "-wal", to: path + ".damaged-2026-11-01T000000Z-wal")
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try JournalReader(folder: folder.path).journals().map(\.journalID) == [log, journal.id])
    }
}
