import SQLite

/// Paths in a scanner's data folder.
package enum DataFolderPaths {
    /// The journal file, written by the gate.
    package static func journal(_ folder: String) -> String { folder + "/journal.sqlite" }
    /// The lock of the running gate.
    package static func gateLock(_ folder: String) -> String { folder + "/gate.lock" }
    /// The upload cursors, written by the publisher.
    package static func shipped(_ folder: String) -> String { folder + "/shipped.sqlite" }
    /// Separates the name of a quarantined file and its time.
    package static let damagedMark = ".damaged-"

    /// File names of the quarantined journals, without their -wal and -shm.
    package static func damagedJournals(_ folder: String) -> [String] {
        CorruptFile.names(journal(folder)).map { String($0.dropFirst(folder.count + 1)) }
    }

    static func publisherLock(_ folder: String) -> String { folder + "/publisher.lock" }
}

extension SQLiteError {
    /// For a reader of another process's file: the file is missing or incomplete, its writer holds a lock, or the
    /// writer must recover the WAL first (SQLITE_READONLY, 8).
    package var meansNotYet: Bool { isCannotOpen || isBusy || primary == 8 }
}
