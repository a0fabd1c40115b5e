import SQLite

/// The names in a scanner's data folder that belong to the journal.
enum DataFolder {
    static func journal(_ folder: String) -> String { folder + "/journal.sqlite" }
    static func gateLock(_ folder: String) -> String { folder + "/gate.lock" }
    static func shipped(_ folder: String) -> String { folder + "/shipped.sqlite" }
    static func publisherLock(_ folder: String) -> String { folder + "/publisher.lock" }
}

extension SQLiteError {
    /// To a reader of another process's file: missing, or not made yet, or its writer is at it, or (SQLITE_READONLY, 8) about
    /// to recover its log, which a reader may not.
    var meansNotYet: Bool { isCannotOpen || isBusy || primary == 8 }
}
