import ErrorModel
import FileSystem
import LinuxSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// The data folder of a dead device.
@Suite(.serialized) struct DataFolderCopyTests {
    private let folder = TemporaryFolder("dead")
    private var data: String { folder.file("data") }

    /// Leaves the files of a killed gate: its last scans are only in the WAL, and there is no -shm file.
    private func leaveFiles(_ data: String, _ taps: ClosedRange<Int64>, checkpointAt: Int64 = 0) throws -> JournalID {
        let living = TemporaryFolder("living")
        let log: JournalID
        do {
            if Files.exists(data + "/journal.sqlite") { try move(data, to: living.path) }
            let journal = try Journal(folder: living.path, scanner: scanner)
            log = journal.id
            for number in taps {
                try journal.tap(number)
                if number == checkpointAt { #expect(try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0) }
            }
            try Files.makeFolder(data)
            // Copied while it is open, because closing it would checkpoint the WAL.
            try move(living.path, to: data)
        }
        return log
    }

    private func move(_ from: String, to: String) throws {
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            _ = try Files.copyReadable(from + "/" + name, to: to + "/" + name)
        }
    }

    private func contents(_ data: String) throws -> [String: [UInt8]] {
        try Dictionary(uniqueKeysWithValues: Files.list(data).map { ($0, try Files.read(data + "/" + $0)) })
    }

    /// Returns the tags of all folders of a copy, by journal.
    private func tags(_ copy: DataFolderCopy) throws -> [JournalID: [Int64]] {
        var tags: [JournalID: [Int64]] = [:]
        for folder in copy.folders {
            let reader = JournalReader(folder: folder)
            for record in try reader.journals() {
                tags[record.journalID, default: []] += try reader.read(journal: record.id, after: 0, limit: 100_000)
                    .map(\.tag.rawValue)
            }
        }
        return tags
    }

    @Test(.timeLimit(.minutes(1)), arguments: HostileFile.allCases)
    func onlyRegularFilesOfADeadDeviceAreCopied(_ kind: HostileFile) throws {
        for name in ["journal.sqlite", "journal.sqlite-wal", "shipped.sqlite", "journal.sqlite.damaged-1"]
        where kind != .danglingLink || name.contains("damaged") {
            _ = try leaveFiles(data, 1...10)
            try Files.remove(data + "/" + name)
            try kind.make(data + "/" + name)
            let error = #expect(throws: SystemError.self) { try DataFolderCopy(of: data, scanner: nil) }
            #expect(error?.description.contains("not a regular file") == true, "\(name): \(String(describing: error))")
            try Files.removeFolder(data)
        }
    }

    @Test(.timeLimit(.minutes(1))) func sparseJournalIsNotCopied() throws {
        _ = try leaveFiles(data, 1...10)
        try HostileFile.makeSparse(data + "/journal.sqlite", bytes: 1 << 42)
        let error = #expect(throws: SystemError.self) { try DataFolderCopy(of: data, scanner: nil) }
        #expect(error?.isFull == true)
    }

    @Test func walWithoutCheckpointIsRead() throws {
        let log = try leaveFiles(data, 1...300, checkpointAt: 200)
        #expect(try JournalReader(folder: data).journals().isEmpty, "such a folder is not readable in place")
        let before = try contents(data)
        var copy: DataFolderCopy? = try DataFolderCopy(of: data, scanner: nil)
        let place = try #require(copy?.folders.first)
        #expect(try copy.map(tags) == [log: Array(1...300)])
        #expect(copy?.recovery == nil && copy?.uploadCursors == [:])
        #expect(try contents(data) == before)
        copy = nil
        #expect(!Files.exists(place), "the copy was not deleted")
    }

    @Test func uploadCursorsAreCopied() throws {
        let log = try leaveFiles(data, 1...10)
        let shipped = TemporaryFolder("shipped")
        do {
            let cursor = try UploadCursors(folder: shipped.path)
            try cursor.advance(log, scanner: scanner, to: 7)
            for name in ["shipped.sqlite", "shipped.sqlite-wal"] {
                _ = try Files.copyReadable(shipped.file(name), to: data + "/" + name)
            }
        }
        #expect(try DataFolderCopy(of: data, scanner: nil).uploadCursors == [log: 7])
        // A corrupt cursor file counts as empty, so all scans are uploaded again.
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: data + "/shipped.sqlite")
        try Files.remove(data + "/shipped.sqlite-wal")
        let copy = try DataFolderCopy(of: data, scanner: nil)
        #expect(copy.uploadCursors == [:])
        #expect(try tags(copy) == [log: Array(1...10)])
    }

    @Test func readOnlyMediaAreRead() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 16)
        let log = try leaveFiles(disk.path + "/data", 1...50)
        try Files.writeAtomically([], to: disk.path + "/data/gate.lock")
        try Run.succeeding("mount", ["-o", "remount,ro", disk.path])
        let copy = try DataFolderCopy(of: disk.path + "/data", scanner: nil)
        #expect(try tags(copy) == [log: Array(1...50)])
    }

    @Test func folderOfRunningGateIsRejected() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        let error = #expect(throws: JournalError.self) { try DataFolderCopy(of: data, scanner: nil) }
        #expect(error == .gateIsRunning(folder: data) && error?.category == .configuration)
        _ = journal.id
    }

    @Test func folderWithoutJournalYieldsNoScans() throws {
        try Files.makeFolder(data)
        #expect(try DataFolderCopy(of: data, scanner: nil).folders == [])
        // A gate was interrupted while it created the file.
        try Files.writeAtomically([], to: data + "/journal.sqlite")
        #expect(try DataFolderCopy(of: data, scanner: nil).folders == [])
        #expect(throws: SystemError.self) { try DataFolderCopy(of: data + "/none", scanner: nil) }
    }

    enum Damage: CaseIterable {
        case header, lost, movedInPart
    }

    @Test(arguments: Damage.allCases) func scansOfCorruptFolderAreRecovered(_ damage: Damage) throws {
        let first = try leaveFiles(data, 1...300, checkpointAt: 200)
        let path = data + "/journal.sqlite"
        switch damage {
        case .header:
            for suffix in ["", "-wal"] {
                var bytes = try Files.read(path + suffix)
                for index in 0..<24 { bytes[index] = 0x5a }
                try Files.writeAtomically(bytes, to: path + suffix)
            }
        case .lost: try Files.writeAtomically([], to: path)
        // The gate was interrupted while it renamed the file.
        case .movedInPart: try Files.rename(path + "-wal", to: path + ".damaged-2026-11-25T100000.000Z-wal")
        }
        let before = try contents(data)
        let copy = try DataFolderCopy(of: data, scanner: scanner)
        let report = try #require(copy.recovery)
        #expect(report.files.count == 1)
        let back = try tags(copy)[first] ?? []
        if damage == .lost {
            // The WAL contains the last pages. Their journal was only in the file.
            #expect(back.count + report.orphans >= 100)
        } else {
            #expect(back == Array(1...300))
        }
        #expect(try contents(data) == before)
        // The output of a recovery can be copied in the same way.
        let out = folder.file("out")
        _ = try Recovery(folder: data, scanner: scanner).run(into: out)
        let second = try DataFolderCopy(of: out, scanner: nil)
        #expect(try second.recovery == nil && tags(second) == tags(copy))
    }

    @Test func corruptFilesComeBeforeCurrentJournal() throws {
        let old = try leaveFiles(data, 1...300, checkpointAt: 300)
        let path = data + "/journal.sqlite"
        try Files.writeAtomically([UInt8](repeating: 0, count: 100) + Files.read(path)[100...], to: path)
        try Files.remove(path + "-wal")
        // The next start of the gate renames it.
        let present = try Journal(folder: data, scanner: scanner)
        try present.tap(1_000)
        let log = present.id
        let dead = try folder.folder("card")
        for name in try Files.list(data) where !name.hasSuffix("-shm") {
            _ = try Files.copyReadable(data + "/" + name, to: dead + "/" + name)
        }
        let copy = try DataFolderCopy(of: dead, scanner: nil)
        #expect(copy.folders.count == 2)
        #expect(try JournalReader(folder: copy.folders[0]).journals().map(\.journalID) == [old])
        #expect(try tags(copy) == [old: Array(1...300), log: [1_000]])
    }

    /// Unreadable blocks are read as zeros, which SQLite takes for the end of the WAL.
    @Test func scansAfterUnreadableBlocksOfWALAreFound() throws {
        let disk = try SmallDisk(.ext4, megabytes: 32)
        let log = try leaveFiles(disk.path + "/data", 1...400, checkpointAt: 1)
        let wal = disk.path + "/data/journal.sqlite-wal"
        try Run.succeeding("sync", ["-f", disk.path])
        let size = try #require(Files.status(wal)).size
        try disk.breakFrom(size / 2 / 4_096 * 4_096, of: wal)
        let copy = try DataFolderCopy(of: disk.path + "/data", scanner: nil)
        #expect(copy.recovery?.files.count == 1)
        let back = try tags(copy)[log] ?? []
        #expect(back.count > 100 && back == back.sorted() && back.first == 1)
    }
}
