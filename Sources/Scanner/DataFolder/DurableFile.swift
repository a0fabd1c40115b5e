import FileSystem
package import SQLite

/// A database of ours that one process writes and that another may read: WAL, `synchronous=FULL`, kept -wal and -shm.
package struct DurableFile {
    /// "TPLJ" for the journal, "TPLS" for the cursor.
    package let applicationID: Int64
    package let format: Int64
    /// Statements that make the tables, each harmless where its table is there: a file made by an older version gets what
    /// it lacks.
    let schema: String
    /// A checkpoint every 1,000 pages (4 MB) keeps the WAL and the time of a restart short; what a long read made it grow
    /// to is given back.
    var pragmas = "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608"
    /// Those of its tables that are looked through at the opening of a file that is too long for all of it.
    var shortTables: [String] = []

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

    /// A file beyond this is not looked through whole at its opening: SQLite's check takes about 30 ms a megabyte on two
    /// busy cores, and a lane must open.
    package static let checkedBytes: Int64 = 16 << 20
    /// A table that says why the file is to be set aside: what was found where an opening does not look.
    package static let damagedTable = "damaged"
    private static let commonPragmas = "PRAGMA cache_size = -2048; PRAGMA trusted_schema = OFF"

    /// An open file.
    package struct Opened {
        package let database: Database
        /// The file that was set aside for it, if one was.
        package let setAside: String?
    }

    /// Opens the file, or makes it. One that is damaged, of another kind, or on blocks that the disk does not read or write
    /// any more is set aside whole under a new name, and an empty one takes its place: a gate must open.
    ///
    /// Throws `DataFileError`, also when it cannot be set aside.
    package func open(_ path: String) throws -> Opened {
        do {
            var aside = try CorruptFile.finish(path)
            if CorruptFile.isLogAlone(path) {
                aside = try CorruptFile.move(path, "the file is lost or empty, and its log is not")
            }
            do { return Opened(database: try opened(path), setAside: aside) } catch let error as SQLiteError
                where error.isDamaged || error.isDiskFailure
            {
                aside = try CorruptFile.move(path, "\(error)")
            } catch let error as DataFileError where error.isDamaged {
                aside = try CorruptFile.move(path, error.detail)
            }
            return Opened(database: try opened(path), setAside: aside)
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    private func opened(_ path: String) throws -> Database {
        let database = try Database(path, .create)
        try database.persistWAL()
        // Before anything is written: a file that is not ours stays as it is.
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

    /// Makes the tables that an older file lacks, and writes what is there already: a file that can be read may still lie
    /// where nothing can be written. A full disk is another matter, and passes.
    func proveWritable(_ database: Database) throws {
        do {
            try database.transaction {
                try database.execute(schema)
                try database.execute("PRAGMA user_version = \(format)")
            }
        } catch let error as SQLiteError where error.isFull {}
    }
}
