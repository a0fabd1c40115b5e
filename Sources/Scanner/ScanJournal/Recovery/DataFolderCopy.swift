import DataFolder
import FileSystem
import LinuxSystem
import SQLite
package import ScanModel

/// A copy of the data folder of a dead device in which everything readable can be read.
///
/// It also reads folders on read-only media, and a WAL that no gate has checkpointed. The original folder is not
/// changed. The copy is deleted with the object.
package final class DataFolderCopy {
    /// Folders for a `JournalReader`, the oldest scans first: the scans recovered from corrupt files, then the
    /// current journal.
    package let folders: [String]
    /// The last confirmed seq of each journal, as the device's publisher recorded it. Empty if its file cannot be
    /// read.
    package let uploadCursors: [JournalID: Int64]
    /// The result of the recovery, or `nil` if no file was corrupt.
    package let recovery: Recovery.Report?
    private let path: String
    /// Disk space that a copy leaves free, in bytes. A sparse file of the dead device may declare any size.
    static let reserveBytes: Int64 = 16 << 20

    private enum State {
        case valid, corrupt
        /// No gate has written a journal.
        case missing
    }

    /// Copies and reads all files of the folder, which takes accordingly long.
    ///
    /// - Parameters:
    ///   - folder: The dead device's data folder.
    ///   - scanner: The scanner of journals whose own row is lost; see `Recovery`.
    /// - Throws: `JournalError.gateIsRunning` while a gate runs on the folder, `SystemError` or `DataFileError` when
    ///   a file cannot be read or written, is no regular file, or does not fit on the disk.
    package init(of folder: String, scanner: ScannerID?) throws {
        let lock = try DataFolderCopy.lock(folder)
        defer { withExtendedLifetime(lock) {} }
        path = try Files.makeTemporaryFolder("tapline-copy")
        do {
            let prefix = Files.name(of: DataFolderPaths.journal(folder)) + DataFolderPaths.damagedMark
            for name in try Files.list(folder) where name.hasPrefix(prefix) && !name.hasSuffix("-shm") {
                _ = try ForeignFile(name, in: folder).copyReadable(
                    to: path + "/" + name, leaving: DataFolderCopy.reserveBytes)
            }
            let current = try DataFolderCopy.copyCurrentJournal(folder, into: path)
            uploadCursors = try DataFolderCopy.copyUploadCursors(folder, into: path)
            var folders = current == .valid ? [path] : []
            let corrupt = Recovery(folder: path, scanner: scanner)
            if corrupt.sources().isEmpty {
                recovery = nil
            } else {
                let recovered = DataFolderPaths.recovered(path)
                recovery = try corrupt.run(into: recovered)
                folders.insert(recovered, at: 0)
            }
            self.folders = folders
        } catch {
            try? Files.removeFolder(path)
            throw error
        }
    }

    deinit { try? Files.removeFolder(path) }

    /// Takes the gate lock, so that no gate begins to write during the copy.
    ///
    /// - Returns: `nil` if no gate ever ran, or if the folder is read-only and the lock cannot be taken.
    private static func lock(_ folder: String) throws -> FileLock? {
        guard Files.exists(DataFolderPaths.gateLock(folder)) else { return nil }
        do { return try Journal.lock(folder: folder) } catch is SystemError { return nil } catch is FileLock.Held {
            throw JournalError.gateIsRunning(folder: folder)
        }
    }

    private static func copyCurrentJournal(_ folder: String, into path: String) throws -> State {
        let (from, to) = (DataFolderPaths.journal(folder), DataFolderPaths.journal(path))
        let isComplete = try copy(from, to: to)
        // The gate was killed while it renamed the file; `Recovery` handles that state.
        if CorruptFile.unfinished(to) != nil { return .missing }
        let state = isComplete ? try checkpoint(to) : .corrupt
        guard state == .corrupt else { return state }
        // Copy it again, because opening it may have changed the copy. The new name marks it as corrupt.
        for suffix in CorruptFile.suffixes { try Files.remove(to + suffix) }
        _ = try copy(from, to: "\(to)\(DataFolderPaths.damagedMark)found")
        return .corrupt
    }

    /// Copies a database and its WAL.
    ///
    /// - Returns: `false` if blocks of them could not be read.
    private static func copy(_ from: String, to: String) throws -> Bool {
        var isComplete = true
        for suffix in ["", "-wal"] where Files.exists(from + suffix) {
            // Both files are copied, also when the first one has bad blocks.
            isComplete =
                try ForeignFile(from + suffix).copyReadable(to: to + suffix, leaving: reserveBytes) && isComplete
        }
        return isComplete
    }

    /// Writes the WAL back into the database, so that a reader needs none.
    private static func checkpoint(_ journal: String) throws -> State {
        if CorruptFile.isWALAlone(journal) { return .corrupt }
        if CorruptFile.isEmpty(journal) { return .missing }
        do {
            let database = try Database(journal, .readWrite)
            guard try database.text("PRAGMA quick_check(1)") == "ok" else { return .corrupt }
            guard try database.int("SELECT count(*) FROM sqlite_master WHERE name = 'scans'") == 1 else {
                return .missing
            }
            guard try database.text("PRAGMA journal_mode = DELETE") == "delete" else {
                throw DataFileError(journal, "its WAL cannot be checkpointed")
            }
            return .valid
        } catch let error as SQLiteError {
            if error.isDamaged || error.isDiskFailure { return .corrupt }
            throw DataFileError(journal, error)
        }
    }

    private static func copyUploadCursors(_ folder: String, into path: String) throws -> [JournalID: Int64] {
        // A cursor file with unreadable blocks may hold any value. Without it all scans are uploaded again, which is
        // harmless.
        guard try copy(DataFolderPaths.shipped(folder), to: DataFolderPaths.shipped(path)) else { return [:] }
        return try UploadCursors(folder: path).all()
    }
}
