import FileSystem
import Glibc
import Runtime
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

@Suite struct JournalReaderTests {
    private let folder = TemporaryFolder("reader")
    private var reader: JournalReader { JournalReader(folder: folder.path) }

    /// Copies the files as they are after a kill of the gate, without its locks.
    private func copied(_ name: String) throws -> String {
        let copy = try folder.folder(name)
        for file in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
            try Files.writeAtomically(try Files.read(folder.file(file)), to: copy + "/" + file)
        }
        return copy
    }

    @Test func missingFileReadsAsEmpty() throws {
        let reader = self.reader
        #expect(try reader.journals().isEmpty)
        #expect(try reader.read(journal: 1, after: 0, limit: 1).isEmpty)
        #expect(try reader.backlog(beyond: [:], scanner: scanner) == 0)
        #expect(!Files.exists(folder.file("journal.sqlite")))
        // A gate was interrupted while it created the file.
        try Files.writeAtomically([], to: folder.file("journal.sqlite"))
        #expect(try reader.journals().isEmpty)
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.tap(1)
        #expect(try reader.journals().map(\.lastSeq) == [1])
    }

    @Test func readerFollowsWriter() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        let reader = self.reader
        let id = try #require(try reader.journals().first).id
        var seen: [Int64] = []
        for number in 1...300 {
            try journal.tap(Int64(number))
            if number % 7 == 0 { seen += try reader.read(journal: id, after: Int64(seen.count), limit: 5).map(\.seq) }
        }
        while seen.count < 300 { seen += try reader.read(journal: id, after: Int64(seen.count), limit: 100).map(\.seq) }
        #expect(seen == Array(1...300))
    }

    @Test func readerReadsDuringCommits() async throws {
        let path = folder.path
        let writer = NamedThread("writer") {
            let journal = try! Journal(folder: path, scanner: scanner)
            for number in 1...3_000 { try! journal.tap(Int64(number)) }
        }
        let reader = self.reader
        var last: Int64 = 0
        try eventually("3,000 scans are read", everyMs: 0) {
            guard let record = try reader.journals().first else { return false }
            let scans = try reader.read(journal: record.id, after: last, limit: 500)
            for scan in scans {
                last += 1
                try #require(scan.seq == last && scan.tag.rawValue == last)
            }
            return last == 3_000
        }
        await writer.end()
        #expect(Files.status(folder.file("journal.sqlite-wal"))!.size <= 8 << 20)
    }

    @Test func journalIsReadAfterClose() throws {
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            for number in 1...10 { try journal.tap(Int64(number)) }
        }
        // SQLITE_FCNTL_PERSIST_WAL keeps them, because a read-only connection needs them.
        #expect(Files.exists(folder.file("journal.sqlite-wal")) && Files.exists(folder.file("journal.sqlite-shm")))
        let before = try Files.list(folder.path)
        #expect(try reader.journals().map(\.lastSeq) == [10])
        #expect(try Files.list(folder.path) == before)
    }

    @Test func journalOfKilledGateIsRead() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        for number in 1...10 { try journal.tap(Int64(number)) }
        let copy = try copied("killed")
        try journal.tap(11)
        do {
            let dead = JournalReader(folder: copy)
            #expect(try dead.journals().map(\.lastSeq) == [10])
            #expect(try dead.read(journal: dead.journals()[0].id, after: 8, limit: 9).map(\.seq) == [9, 10])
        }
        // A new gate in that folder appends a new journal.
        let second = try Journal(folder: copy, scanner: scanner)
        try second.tap(1)
        let alive = JournalReader(folder: copy)
        #expect(try alive.journals().map(\.lastSeq) == [10, 1])
        #expect(try alive.journals().last?.journalID == second.id)
    }

    /// The -shm file is never synced, so its content is undefined after a power cut.
    @Test(arguments: [0, 3, 4_096, 40_000]) func journalIsReadAfterPowerCut(_ size: Int) throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        for number in 1...10 { try journal.tap(Int64(number)) }
        let copy = try copied("cut")
        try Files.writeAtomically([UInt8](repeating: 0xa5, count: size), to: copy + "/journal.sqlite-shm")
        #expect(try JournalReader(folder: copy).journals().map(\.lastSeq) == [10])
        // The end of the WAL is incomplete.
        let whole = try Files.read(copy + "/journal.sqlite-wal")
        try Files.writeAtomically(whole.dropLast(100), to: copy + "/journal.sqlite-wal")
        #expect(try JournalReader(folder: copy).journals().map(\.lastSeq) == [9])
        let second = try Journal(folder: copy, scanner: scanner)
        try second.tap(1)
        #expect(try JournalReader(folder: copy).journals().map(\.lastSeq) == [9, 1])
    }

    @Test func readOnlyConnectionCannotWrite() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.tap(1)
        let database = try Database(folder.file("journal.sqlite"), .readOnly)
        #expect(throws: SQLiteError.self) { try database.execute("DELETE FROM scans") }
        #expect(throws: SQLiteError.self) { try database.execute("PRAGMA wal_checkpoint(FULL); DELETE FROM journals") }
    }

    @Test func replacedFileIsDetected() throws {
        let path = folder.file("journal.sqlite")
        let reader = self.reader
        var journal: Journal? = try Journal(folder: folder.path, scanner: scanner)
        let old = journal!.id
        for number in 1...5 { try journal!.tap(Int64(number)) }
        let id = try reader.journals()[0].id
        #expect(try reader.read(journal: id, after: 0, limit: 9).count == 5)
        journal = nil
        for suffix in ["", "-wal", "-shm"] { try Files.rename(path + suffix, to: folder.file("old" + suffix)) }
        #expect(try reader.journals().isEmpty)
        #expect(try reader.read(journal: id, after: 0, limit: 9).isEmpty)

        let next = try Journal(folder: folder.path, scanner: scanner)
        for number in 1...3 { try next.tap(Int64(100 + number)) }
        // The number stands for another journal now, so its scans must not be returned.
        #expect(try reader.read(journal: id, after: 0, limit: 9).isEmpty)
        let records = try reader.journals()
        #expect(records.map(\.journalID) == [next.id] && next.id != old)
        #expect(try reader.read(journal: records[0].id, after: 0, limit: 9).map(\.tag.rawValue) == [101, 102, 103])
    }

    @Test func damageIsReported() throws {
        do { _ = try Journal(folder: folder.path, scanner: scanner) }
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: folder.file("journal.sqlite"))
        let reader = self.reader
        // A valid WAL would hide the damage.
        try Files.writeAtomically([], to: folder.file("journal.sqlite-wal"))
        let error = #expect(throws: DataFileError.self) { try reader.journals() }
        #expect(error?.isDamaged == true)
    }
}
