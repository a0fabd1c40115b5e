import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// A power cut between any two steps of setting a file aside, and a file that is lost beside its log.
@Suite struct AsideTests {
    private let folder = TemporaryFolder("aside")
    private var path: String { folder.file("journal.sqlite") }

    /// A journal whose last scans are in the log alone. Returns them all.
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

    @Test(arguments: 0...3) func aMoveThatIsCutOffIsEndedByTheNextStart(_ steps: Int) throws {
        let (log, scans) = try make()
        var bytes = try Files.read(path)
        for index in 0..<100 { bytes[index] = 0 }
        // The page that would make the head whole again must not be in the log.
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

    @Test(arguments: [true, false]) func aLogWithoutItsFileIsKept(_ isMissing: Bool) throws {
        let (_, scans) = try make()
        if isMissing { try Files.remove(path) } else { try Files.writeAtomically([], to: path) }
        let walBytes = try Files.read(path + "-wal")
        // Neither a publisher nor a status may touch it.
        #expect(try JournalReader(folder: folder.path).journals().isEmpty)
        #expect(Recovery(folder: folder.path).sources() == [path])
        #expect(try Files.read(path + "-wal") == walBytes)
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.tap(1).seq == 1)
        let damaged = try #require(journal.health.damaged.first)
        #expect(try Files.read(folder.file(damaged) + "-wal") == walBytes)
        let report = try Recovery(folder: folder.path, scanner: scanner).run(into: folder.file("out"))
        // The log has whole pages: those of the last 50 scans.
        #expect(report.scans + report.orphans >= 50 && report.scans + report.orphans < scans.count)
    }

    @Test func aCursorThatIsLostBesideItsLogIsKept() throws {
        // As a kill leaves it: a publisher that ends by itself leaves no log.
        let killed = try folder.folder("killed")
        do {
            let shipped = try UploadCursors(folder: folder.path)
            try shipped.advance(.random(), scanner: scanner, to: 3)
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
        let aside = try #require(CorruptFile.names(path).first)
        #expect(try Files.read(aside + "-wal") == walBytes)
    }

    /// What somebody has left of an old file makes nothing of a sound one.
    @Test func aLeftoverLogHarmsNoSoundJournal() throws {
        let (log, _) = try make()
        try Files.copy(path + "-wal", to: path + ".damaged-2026-11-01T000000Z-wal")
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try JournalReader(folder: folder.path).journals().map(\.journalID) == [log, journal.id])
    }
}
