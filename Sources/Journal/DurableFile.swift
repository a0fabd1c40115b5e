import Runtime
import SQLite

/// A database of ours that one process writes and that another may read: WAL, `synchronous=FULL`, kept -wal and -shm.
struct DurableFile {
    /// "TPLJ" for the journal, "TPLS" for the cursor.
    let applicationID: Int64
    let format: Int64
    /// Statements that make the tables, each harmless where its table is there: a file made by an older version gets what
    /// it lacks.
    let schema: String
    /// A checkpoint every 1,000 pages (4 MB) keeps the WAL and the time of a restart short; what a long read made it grow
    /// to is given back.
    var pragmas = "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608"
    private static let commonPragmas = "PRAGMA cache_size = -2048; PRAGMA trusted_schema = OFF"

    /// Opens the file, or makes it. A damaged one, or one of another kind, is set aside whole under a new name, and an empty
    /// one takes its place: a gate must open. Throws `JournalError`.
    func open(_ path: String) throws -> Database {
        do {
            do { return try opened(path) } catch let error as SQLiteError where error.isDamaged {
                try setAside(path, "\(error)")
            } catch let error as JournalError where error.isDamaged {
                try setAside(path, error.detail)
            }
            return try opened(path)
        } catch let error as SQLiteError { throw JournalError(path, error) }
    }

    private func opened(_ path: String) throws -> Database {
        let database = try Database(path, .create)
        try database.persistWAL()
        // Before anything is written: a file that is not ours stays as it is.
        let application = try database.int("PRAGMA application_id") ?? 0
        let isEmpty = try database.int("SELECT count(*) FROM sqlite_master") == 0
        guard isEmpty || application == applicationID else {
            throw JournalError(path, "a database of another kind (application_id \(application))", isDamaged: true)
        }
        guard try database.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw JournalError(path, "no write-ahead log on this file system")
        }
        try database.execute("PRAGMA synchronous = FULL")
        guard try database.int("PRAGMA synchronous") == 2 else { throw JournalError(path, "synchronous is not FULL") }
        try database.execute(DurableFile.commonPragmas)
        try database.execute(pragmas)
        if isEmpty {
            try database.transaction {
                try database.execute(schema)
                try database.execute("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(format)")
            }
            try Files.syncFolder(of: path)
            return database
        }
        let version = try database.int("PRAGMA user_version") ?? 0
        guard version == format else {
            throw JournalError(path, "format \(version), this program writes \(format)", isDamaged: true)
        }
        let check = try database.text("PRAGMA quick_check(1)") ?? ""
        guard check == "ok" else { throw JournalError(path, "quick_check: \(check)", isDamaged: true) }
        try database.transaction { try database.execute(schema) }
        return database
    }

    /// Moves file, -wal and -shm so that SQLite's tools find them together. The last open connection is gone by now.
    private func setAside(_ path: String, _ reason: String) throws {
        let stamp = UTCTime.text(microseconds: SystemClock.nowMicroseconds()).filter { $0 != ":" }
        var name = "\(path)\(DataFolder.damagedMark)\(stamp)"
        var count = 1
        while Files.exists(name) {
            count += 1
            name = "\(path)\(DataFolder.damagedMark)\(stamp)-\(count)"
        }
        for suffix in ["-shm", "-wal", ""] where Files.exists(path + suffix) {
            try Files.rename(path + suffix, to: name + suffix)
        }
        Log("journal").error("damaged file set aside, a new one starts", [.path: path, .file: name, .reason: reason])
    }
}
