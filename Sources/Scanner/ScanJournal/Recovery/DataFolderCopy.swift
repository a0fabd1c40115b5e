import CLI
import DataFolder
import FileSystem
import LinuxSystem
import SQLite
package import ScanModel

/// A copy of the data folder of a device that is dead, in which everything that can still be read can be read: on read-only
/// media too, and with a log that no gate has folded back. Nothing of the folder is changed. Removed when the object goes.
package final class DataFolderCopy {
    /// Folders for a `JournalReader`, the oldest scans first: what came out of damaged files, then the present journal.
    package let folders: [String]
    /// What the device's publisher had shipped of each journal; empty where that cannot be read.
    package let shipped: [JournalID: Int64]
    /// What came out of damaged files; nil: nothing was damaged.
    package let recovery: Recovery.Report?
    private let path: String

    private enum State {
        case sound, damaged
        /// No gate has written there.
        case missing
    }

    /// Takes as long as copying and reading all of it.
    ///
    /// Throws `ProgramError` (configuration) while a gate runs on the folder, `SystemError`, `DataFileError`.
    /// - Parameters:
    ///   - folder: the dead device's data folder.
    ///   - scanner: whose journals those are that do not say it any more; nil: as the others say.
    package init(of folder: String, scanner: ScannerID?) throws {
        let lock = try DataFolderCopy.lock(folder)
        defer { withExtendedLifetime(lock) {} }
        path = try Files.makeTemporaryFolder("tapline-copy")
        do {
            let names = try Files.list(folder)
            for name in names
            where name.hasPrefix("journal.sqlite\(DataFolderPaths.damagedMark)") && !name.hasSuffix("-shm") {
                _ = try Files.copyReadable(folder + "/" + name, to: path + "/" + name)
            }
            let present = try DataFolderCopy.takePresent(folder, into: path)
            shipped = try DataFolderCopy.takeShipped(folder, into: path)
            var folders = present == .sound ? [path] : []
            let damaged = Recovery(folder: path, scanner: scanner)
            if damaged.sources().isEmpty {
                recovery = nil
            } else {
                let recovered = path + "/recovered"
                recovery = try damaged.run(into: recovered)
                folders.insert(recovered, at: 0)
            }
            self.folders = folders
        } catch {
            try? Files.removeFolder(path)
            throw error
        }
    }

    deinit { try? Files.removeFolder(path) }

    /// The lock of the gate, so that none begins to write meanwhile; nil where no gate ever ran, and where it cannot be
    /// taken because nobody can write there.
    private static func lock(_ folder: String) throws -> FileLock? {
        guard Files.exists(DataFolderPaths.gateLock(folder)) else { return nil }
        do { return try Journal.lock(folder: folder) } catch is SystemError { return nil } catch is FileLock.Held {
            throw ProgramError.configuration("a gate is running on \(folder), which is no dead device's folder")
        }
    }

    private static func takePresent(_ folder: String, into path: String) throws -> State {
        let (from, to) = (DataFolderPaths.journal(folder), DataFolderPaths.journal(path))
        let isWhole = try copy(from, to: to)
        // The gate was cut off while it set the file aside: `Recovery` knows how.
        if CorruptFile.unfinished(to) != nil { return .missing }
        let state = isWhole ? try fold(to) : .damaged
        guard state == .damaged else { return state }
        // Once more, untouched: looking at it may have changed the copy. Under a name by which it is taken for damaged.
        for suffix in CorruptFile.suffixes { try Files.remove(to + suffix) }
        _ = try copy(from, to: "\(to)\(DataFolderPaths.damagedMark)found")
        return .damaged
    }

    /// A database and its log. False: blocks of them could not be read.
    private static func copy(_ from: String, to: String) throws -> Bool {
        var isWhole = true
        for suffix in ["", "-wal"] where Files.exists(from + suffix) {
            // Both, whatever the first is like.
            isWhole = try Files.copyReadable(from + suffix, to: to + suffix) && isWhole
        }
        return isWhole
    }

    /// Folds the log back, so that a reader needs none.
    private static func fold(_ journal: String) throws -> State {
        if CorruptFile.isLogAlone(journal) { return .damaged }
        if CorruptFile.isEmpty(journal) { return .missing }
        do {
            let database = try Database(journal, .readWrite)
            guard try database.text("PRAGMA quick_check(1)") == "ok" else { return .damaged }
            guard try database.int("SELECT count(*) FROM sqlite_master WHERE name = 'scans'") == 1 else {
                return .missing
            }
            guard try database.text("PRAGMA journal_mode = DELETE") == "delete" else {
                throw DataFileError(journal, "its log cannot be folded back")
            }
            return .sound
        } catch let error as SQLiteError {
            if error.isDamaged || error.isDiskFailure { return .damaged }
            throw DataFileError(journal, error)
        }
    }

    private static func takeShipped(_ folder: String, into path: String) throws -> [JournalID: Int64] {
        // A cursor that is partly zeros may say anything: without it everything is shipped again, which is harmless.
        guard try copy(DataFolderPaths.shipped(folder), to: DataFolderPaths.shipped(path)) else { return [:] }
        return try UploadCursors(folder: path).all()
    }
}
