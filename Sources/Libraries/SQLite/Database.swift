import CSQLite

/// An SQLite connection, closed with the object. Confined to one thread at a time: opened with SQLITE_OPEN_NOMUTEX, and
/// not `Sendable`.
package final class Database {
    /// Kind of access to the file.
    package enum Mode: Sendable, Equatable {
        /// Read and write; creates a missing file.
        case create
        /// Read and write; fails with SQLITE_CANTOPEN if the file is missing.
        case readWrite
        /// Read-only access to the WAL database of another process; does not write to the -shm file
        /// (`mode=ro&readonly_shm=1`). Fails with SQLITE_CANTOPEN if the writer has never run. Within one process, open
        /// the writer first and close it last: SQLite shares the mapping of the -shm file between connections.
        case readOnly
        /// Read-only access to a file that does not change while it is open: no locks, no WAL (`immutable=1`).
        case immutable
    }

    let handle: OpaquePointer
    /// Path of the file as given to `init`.
    package let path: String

    /// Opens a database.
    ///
    /// - Parameters:
    ///   - path: path of the file, or `:memory:`.
    ///   - mode: kind of access.
    ///   - busyTimeoutMs: maximum wait for a locked database, in milliseconds.
    /// - Throws: `SQLiteError`.
    package init(_ path: String, _ mode: Mode, busyTimeoutMs: Int32 = 5_000) throws(SQLiteError) {
        self.path = path
        var connection: OpaquePointer?
        let flags: Int32 =
            switch mode {
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .readWrite: SQLITE_OPEN_READWRITE
            case .readOnly, .immutable: SQLITE_OPEN_READONLY
            }
        let code = sqlite3_open_v2(
            Database.uri(path, mode), &connection,
            flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let connection else {
            let error = SQLiteError("open \(path)", code: code, database: connection)
            sqlite3_close_v2(connection)
            throw error
        }
        handle = connection
        sqlite3_busy_timeout(handle, busyTimeoutMs)
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs one or several statements and ignores their rows.
    ///
    /// - Throws: `SQLiteError`.
    package func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(sql, code: code, database: handle) }
    }

    /// Compiles one statement for repeated use.
    ///
    /// - Throws: `SQLiteError`.
    package func prepare(_ sql: String) throws(SQLiteError) -> Statement { try Statement(self, sql) }

    /// Runs a query and returns the first column of its first row.
    ///
    /// - Parameters:
    ///   - sql: the query.
    ///   - values: the values of its parameters.
    /// - Returns: the integer; `nil` without a row, or for NULL.
    /// - Throws: `SQLiteError`.
    package func int(_ sql: String, _ values: Value...) throws(SQLiteError) -> Int64? {
        try first(sql, values) { $0.isNull(0) ? nil : $0.int(0) }
    }

    /// Runs a query and returns the first column of its first row as text, like `int`.
    package func text(_ sql: String, _ values: Value...) throws(SQLiteError) -> String? {
        try first(sql, values) { $0.isNull(0) ? nil : $0.text(0) }
    }

    private func first<Result>(
        _ sql: String, _ values: [Value], _ read: (Statement) -> Result?
    ) throws(SQLiteError) -> Result? {
        let statement = try prepare(sql)
        try statement.bind(values)
        return try statement.step() ? read(statement) : nil
    }

    /// Runs `body` in a transaction, which is rolled back if it throws.
    ///
    /// - Parameters:
    ///   - kind: `DEFERRED`, `IMMEDIATE` or `EXCLUSIVE`.
    ///   - body: the statements of the transaction.
    /// - Returns: the result of `body`.
    /// - Throws: the error of `body`, or `SQLiteError` of BEGIN or COMMIT.
    package func transaction<Result>(_ kind: String = "IMMEDIATE", _ body: () throws -> Result) throws -> Result {
        try execute("BEGIN \(kind)")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // Report the first error. After some errors SQLite has already rolled back.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Keeps the -wal and -shm files when the last connection closes (SQLITE_FCNTL_PERSIST_WAL). A read-only connection
    /// can then always open the database.
    ///
    /// - Throws: `SQLiteError`.
    package func persistWAL() throws(SQLiteError) {
        var on: Int32 = 1
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on)
        guard code == SQLITE_OK else { throw SQLiteError("persist WAL", code: code, database: handle) }
    }

    /// Makes the file grow and shrink in steps (SQLITE_FCNTL_CHUNK_SIZE).
    ///
    /// - Parameter step: size of a step, in bytes.
    /// - Throws: `SQLiteError`.
    package func growInSteps(ofBytes step: Int32) throws(SQLiteError) {
        var step = step
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &step)
        guard code == SQLITE_OK else { throw SQLiteError("set the chunk size", code: code, database: handle) }
    }

    /// Allocates disk space for the file (SQLITE_FCNTL_SIZE_HINT), so that a later checkpoint cannot fail on a full
    /// disk. Requires `growInSteps`.
    ///
    /// - Parameter size: size of the file, in bytes.
    /// - Returns: `false` if the disk has not enough space.
    package func allocate(forBytes size: Int64) -> Bool {
        var size = size
        return sqlite3_file_control(handle, "main", SQLITE_FCNTL_SIZE_HINT, &size) == SQLITE_OK
    }

    /// Number of rows that the last INSERT, UPDATE or DELETE changed.
    package var changes: Int { Int(sqlite3_changes64(handle)) }

    /// Returns the URI of a file and a mode, for ATTACH.
    package static func uri(_ path: String, _ mode: Mode) -> String {
        let query =
            switch mode {
            case .create: "mode=rwc"
            case .readWrite: "mode=rw"
            case .readOnly: "mode=ro&readonly_shm=1"
            case .immutable: "mode=ro&immutable=1"
            }
        // The empty authority prevents SQLite from reading a path that begins with two slashes as a host.
        return (path.hasPrefix("/") ? "file://" : "file:") + escaped(path) + "?" + query
    }

    private static func escaped(_ path: String) -> String {
        var out = ""
        for character in path {
            switch character {
            case "%": out += "%25"
            case "?": out += "%3f"
            case "#": out += "%23"
            default: out.append(character)
            }
        }
        return out
    }
}
