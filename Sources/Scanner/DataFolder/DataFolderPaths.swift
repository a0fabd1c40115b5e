import SQLite

/// The names in a scanner's data folder that belong to the journal.
package enum DataFolderPaths {
    package static func journal(_ folder: String) -> String { folder + "/journal.sqlite" }
    package static func gateLock(_ folder: String) -> String { folder + "/gate.lock" }
    package static func shipped(_ folder: String) -> String { folder + "/shipped.sqlite" }
    /// Between the name of a file and the time at which it was set aside as damaged.
    package static let damagedMark = ".damaged-"

    /// Journals that were set aside, by name, without their -wal and -shm.
    package static func damagedJournals(_ folder: String) -> [String] {
        CorruptFile.names(journal(folder)).map { String($0.dropFirst(folder.count + 1)) }
    }

    static func publisherLock(_ folder: String) -> String { folder + "/publisher.lock" }
}

extension SQLiteError {
    /// To a reader of another process's file: missing, or not made yet, or its writer is at it, or (SQLITE_READONLY, 8) about
    /// to recover its log, which a reader may not.
    package var meansNotYet: Bool { isCannotOpen || isBusy || primary == 8 }
}
