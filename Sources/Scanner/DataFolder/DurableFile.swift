import FileSystem
package import SQLite

/// A database that one process writes and others read: WAL, `synchronous=FULL`, persistent -wal and -shm.
package struct DurableFile {
    /// "TPLJ" for the journal, "TPLS" for the cursor.
    package let applicationID: Int64
    /// Version of the tables, stored as `user_version`. A file of another version is quarantined.
    package let format: Int64
    /// Statements that make the tables if they are missing, also in a file of an older version.
    let schema: String
    /// A checkpoint every 1,000 pages (4 MB) keeps the WAL short and a restart fast. A WAL that grew during a long read
    /// is truncated.
    var pragmas = "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608"
    /// The tables that are checked when a file over `checkedBytes` is opened.
    var shortTables: [String] = []

    /// Describes a kind of file. Nothing is opened yet.
    ///
    /// - Parameters:
    ///   - applicationID: the `application_id` that identifies this kind of file.
    ///   - format: version of the tables, stored as `user_version`.
    ///   - schema: statements that make missing tables. They run at every opening.
    ///   - pragmas: statements that are run at every opening, before the schema.
    ///   - shortTables: the tables that are checked when a file over `checkedBytes` is opened.
    package init(
        applicationID: Int64, format: Int64, schema: String,
        pragmas: String = "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608",
        shortTables: [String] = []
    ) {
        self.applicationID = applicationID
        self.format = format
        self.schema = schema
        self.pragmas = pragmas
        self.shortTables = shortTables
    }

    /// Maximum size of a file that is checked completely when it is opened. SQLite's check takes about 30 ms per
    /// megabyte on two busy cores, and a lane must open soon.
    package static let checkedBytes: Int64 = 16 << 20
    /// A table with the reason why the file must be quarantined: damage found after the opening.
    package static let damagedTable = "damaged"
    private static let commonPragmas = "PRAGMA cache_size = -2048; PRAGMA trusted_schema = OFF"

    /// An open file.
    package struct Opened {
        /// The open connection: writable, with WAL and `synchronous=FULL`.
        package let database: Database
        /// The quarantined file that it replaces; `nil` if it replaces no file.
        package let quarantined: String?
    }

    /// Opens the file, or makes it.
    ///
    /// A file that is corrupt, of another kind, or on failed blocks of the disk is quarantined. An empty one replaces
    /// it, because a gate must open.
    ///
    /// - Throws: `DataFileError`, also if a file cannot be quarantined.
    package func open(_ path: String) throws -> Opened {
        do {
            var quarantined = try CorruptFile.finish(path)
            if CorruptFile.isWALAlone(path) {
                quarantined = try CorruptFile.move(path, "the file is missing or empty, and its WAL is not")
            }
            do { return Opened(database: try opened(path), quarantined: quarantined) } catch let error as SQLiteError
                where error.isDamaged || error.isDiskFailure
            {
                quarantined = try CorruptFile.move(path, "\(error)")
            } catch let error as DataFileError where error.isDamaged {
                quarantined = try CorruptFile.move(path, error.detail)
            }
            return Opened(database: try opened(path), quarantined: quarantined)
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    private func opened(_ path: String) throws -> Database {
        let database = try Database(path, .create)
        try database.persistWAL()
        // Before the first write, so that a foreign file is not changed.
        let application = try database.int("PRAGMA application_id") ?? 0
        let isEmpty = try database.int("SELECT count(*) FROM sqlite_master") == 0
        guard isEmpty || application == applicationID else {
            throw DataFileError(path, "a database of another kind (application_id \(application))", isDamaged: true)
        }
        guard try database.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw DataFileError(path, "no write-ahead log on this file system")
        }
        try database.execute("PRAGMA synchronous = FULL")
        guard try database.int("PRAGMA synchronous") == 2 else { throw DataFileError(path, "synchronous is not FULL") }
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
            throw DataFileError(path, "format \(version), this program writes \(format)", isDamaged: true)
        }
        try check(database)
        try proveWritable(database)
        return database
    }

    private func check(_ database: Database) throws {
        if try database.int("SELECT count(*) FROM sqlite_master WHERE name = ?", .text(DurableFile.damagedTable)) == 1 {
            let reason = try database.text("SELECT reason FROM \(DurableFile.damagedTable)") ?? ""
            throw DataFileError(database.path, "damage was found in it: \(reason)", isDamaged: true)
        }
        let bytes = (try database.int("PRAGMA page_count") ?? 0) * (try database.int("PRAGMA page_size") ?? 0)
        let isShort = bytes <= DurableFile.checkedBytes
        for pragma in isShort ? ["quick_check(1)"] : shortTables.map({ "quick_check('\($0)')" }) {
            let check = try database.text("PRAGMA \(pragma)") ?? ""
            guard check == "ok" else { throw DataFileError(database.path, "quick_check: \(check)", isDamaged: true) }
        }
    }

    /// Makes missing tables, and rewrites the version to prove that the file is writable. A full disk is accepted.
    func proveWritable(_ database: Database) throws {
        do {
            try database.transaction {
                try database.execute(schema)
                try database.execute("PRAGMA user_version = \(format)")
            }
        } catch let error as SQLiteError where error.isFull {}
    }
}
