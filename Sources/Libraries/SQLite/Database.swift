import CSQLite

/// One SQLite connection, closed when the object goes. Confined to one thread at a time: it is opened with
/// SQLITE_OPEN_NOMUTEX and is not `Sendable`.
package final class Database {
    package enum Mode: Sendable, Equatable {
        /// Makes the file if it is missing.
        case create
        case readWrite
        /// A second process's view of a WAL database: writes nothing, not even the -shm file
        /// (`mode=ro&readonly_shm=1`). Fails with "cannot open" while the writer has never run. Within one process the
        /// writer has to be opened first, and closed last: SQLite shares the -shm file between them as it was opened.
        case readOnly
        /// A file that nobody changes while it is open: no locks, no WAL (`immutable=1`).
        case immutable
    }

    let handle: OpaquePointer
    package let path: String

    /// - Parameters:
    ///   - busyTimeoutMs: how long a locked database is waited for.
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

    /// Runs statements that return nothing of interest.
    package func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(sql, code: code, database: handle) }
    }

    /// Compiles one statement, to be kept and used again.
    package func prepare(_ sql: String) throws(SQLiteError) -> Statement { try Statement(self, sql) }

    /// The first column of the first row; nil without a row, or for NULL.
    package func int(_ sql: String, _ values: Value...) throws(SQLiteError) -> Int64? {
        try first(sql, values) { $0.isNull(0) ? nil : $0.int(0) }
    }

    /// The first column of the first row; nil without a row, or for NULL.
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

    /// Runs `body` in one transaction: committed when it returns, rolled back when it throws.
    package func transaction<Result>(_ kind: String = "IMMEDIATE", _ body: () throws -> Result) throws -> Result {
        try execute("BEGIN \(kind)")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // The first error is the one to tell; SQLite may have rolled back by itself already.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Keeps -wal and -shm when the last connection closes, so that a read-only reader can open the database in every
    /// state (SQLITE_FCNTL_PERSIST_WAL).
    package func persistWAL() throws(SQLiteError) {
        var on: Int32 = 1
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on)
        guard code == SQLITE_OK else { throw SQLiteError("persist WAL", code: code, database: handle) }
    }

    /// The file grows on the disk in steps of so many bytes, and is cut to whole steps (SQLITE_FCNTL_CHUNK_SIZE).
    package func growInSteps(ofBytes step: Int32) throws(SQLiteError) {
        var step = step
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &step)
        guard code == SQLITE_OK else { throw SQLiteError("set the step of growth", code: code, database: handle) }
    }

    /// Takes room on the disk for a file of so many bytes (SQLITE_FCNTL_SIZE_HINT), so that a checkpoint which writes them
    /// cannot find the disk full. False when there is no such room. Needs `growInSteps`.
    package func takeRoom(forBytes size: Int64) -> Bool {
        var size = size
        return sqlite3_file_control(handle, "main", SQLITE_FCNTL_SIZE_HINT, &size) == SQLITE_OK
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    package var changes: Int { Int(sqlite3_changes64(handle)) }

    /// The file and its mode as a URI: what ATTACH takes to open a second file the same way.
    package static func uri(_ path: String, _ mode: Mode) -> String {
        let query =
            switch mode {
            case .create: "mode=rwc"
            case .readWrite: "mode=rw"
            case .readOnly: "mode=ro&readonly_shm=1"
            case .immutable: "mode=ro&immutable=1"
            }
        // With an empty authority, or a path that starts with two slashes would be taken for a host.
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
