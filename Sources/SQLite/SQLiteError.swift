internal import CSQLite

/// A failed SQLite call: what was tried, the extended result code, and SQLite's message.
public struct SQLiteError: Error, CustomStringConvertible, Sendable {
    public let operation: String
    /// Extended result code (https://sqlite.org/rescode.html).
    public let code: Int32
    public let message: String

    init(_ operation: String, code: Int32, database: OpaquePointer?) {
        self.operation = operation
        self.code = code
        message = database.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
    }

    public var description: String { "\(operation): \(message) (SQLite \(code))" }

    /// The primary result code: the low byte.
    public var primary: Int32 { code & 0xff }
    public var isBusy: Bool { primary == SQLITE_BUSY || primary == SQLITE_LOCKED }
    public var isCannotOpen: Bool { primary == SQLITE_CANTOPEN }
    public var isDamaged: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
    public var isFull: Bool { primary == SQLITE_FULL }
}
