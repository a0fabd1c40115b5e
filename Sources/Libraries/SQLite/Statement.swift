import CSQLite

/// A compiled statement. Parameters are numbered from 1, columns from 0.
///
/// After the last row and after an error the statement is reset and can be used again. A statement that is not reset
/// after a row keeps a read transaction open: call `reset`, or use `rows`, which does.
package final class Statement {
    private let handle: OpaquePointer
    private let database: Database

    init(_ database: Database, _ sql: String) throws(SQLiteError) {
        self.database = database
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(
            database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else {
            throw SQLiteError("prepare \(sql)", code: code, database: database.handle)
        }
        handle = statement
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: Parameters

    /// Binds an integer to a parameter.
    ///
    /// - Parameters:
    ///   - index: number of the parameter, from 1.
    ///   - value: the integer.
    /// - Throws: `SQLiteError`; SQLITE_RANGE for an index without a parameter.
    package func bind(_ index: Int32, _ value: Int64) throws(SQLiteError) {
        try check(sqlite3_bind_int64(handle, index, value))
    }

    /// Binds a value to a parameter, like `bind` of an integer.
    package func bind(_ index: Int32, _ value: Value) throws(SQLiteError) {
        switch value {
        case .null: try check(sqlite3_bind_null(handle, index))
        case .int(let value): try bind(index, value)
        case .text(let value):
            // SQLITE_TRANSIENT: SQLite copies the text. With its length, because the text may contain a zero byte.
            try check(sqlite3_bind_text(handle, index, value, Int32(value.utf8.count), Statement.transient))
        case .blob(let bytes):
            let code = bytes.withUnsafeBytes {
                sqlite3_bind_blob(
                    handle, index, $0.baseAddress ?? Statement.empty, Int32(bytes.count), Statement.transient)
            }
            try check(code)
        }
    }

    /// Binds values to the parameters 1, 2 and so on.
    ///
    /// - Throws: `SQLiteError`; SQLITE_RANGE for more values than parameters.
    package func bind(_ values: [Value]) throws(SQLiteError) {
        for (index, value) in values.enumerated() { try bind(Int32(index + 1), value) }
    }

    // MARK: Running

    /// Runs the statement to its next row.
    ///
    /// - Returns: `true` if there is a row to read, `false` after the last row.
    /// - Throws: `SQLiteError`.
    package func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else {
            let error = SQLiteError(String(cString: sqlite3_sql(handle)), code: code, database: database.handle)
            sqlite3_reset(handle)
            throw error
        }
        sqlite3_reset(handle)
        return false
    }

    /// Binds values to the parameters 1, 2 and so on, runs the statement to its end and ignores its rows.
    ///
    /// - Throws: `SQLiteError`.
    package func run(_ values: Value...) throws(SQLiteError) { try run(values) }

    /// Binds values to the parameters and runs the statement to its end, like `run` with separate values.
    package func run(_ values: [Value]) throws(SQLiteError) {
        try bind(values)
        while try step() {}
    }

    /// Binds values to the parameters 1, 2 and so on, calls `body` for each row, and resets the statement.
    ///
    /// - Parameters:
    ///   - values: the values.
    ///   - body: called with this statement, from which it reads the columns of the row.
    /// - Throws: `SQLiteError`, or the error of `body`, which ends the query.
    package func rows(_ values: Value..., body: (Statement) throws -> Void) throws {
        try bind(values)
        defer { reset() }
        while try step() { try body(self) }
    }

    /// Ends the query, and with it its read transaction.
    package func reset() { sqlite3_reset(handle) }

    // MARK: Columns of the current row, from 0

    /// The storage class of a value, which can differ from the declared type of the column.
    package enum Kind: Sendable { case integer, real, text, blob, null }

    /// Returns the storage class of a column's value.
    package func kind(_ column: Int32) -> Kind {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .real
        case SQLITE_TEXT: .text
        case SQLITE_BLOB: .blob
        default: .null
        }
    }

    /// Returns an integer; 0 for NULL.
    package func int(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    /// Returns whether the value is NULL.
    package func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
    /// Returns an integer; `nil` for NULL.
    package func optionalInt(_ column: Int32) -> Int64? { isNull(column) ? nil : int(column) }
    /// Returns a text; empty for NULL. Invalid UTF-8 is replaced.
    package func text(_ column: Int32) -> String {
        // The bytes belong to the statement.
        defer { withExtendedLifetime(self) {} }
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        return String(
            decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))), as: UTF8.self
        )
    }
    /// Returns a text; `nil` for NULL.
    package func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
    /// Returns a blob, or the UTF-8 bytes of a text; empty for NULL.
    package func blob(_ column: Int32) -> [UInt8] {
        defer { withExtendedLifetime(self) {} }
        guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }

    // MARK: Whole rows

    /// Returns whether the current row equals that of another statement with the same number of columns.
    func hasSameRow(as other: Statement) -> Bool {
        (0..<columnCount).allSatisfy { column in
            let kind = kind(column)
            guard kind == other.kind(column) else { return false }
            switch kind {
            case .integer: return int(column) == other.int(column)
            case .real: return sqlite3_column_double(handle, column) == sqlite3_column_double(other.handle, column)
            case .text, .blob: return blob(column) == other.blob(column)
            case .null: return true
            }
        }
    }

    var columnCount: Int32 { sqlite3_column_count(handle) }

    /// Runs this statement with the current row of another statement as its parameters.
    func run(withRowOf other: Statement) throws(SQLiteError) {
        defer { withExtendedLifetime(other) {} }
        for column in 0..<other.columnCount {
            try check(sqlite3_bind_value(handle, column + 1, sqlite3_column_value(other.handle, column)))
        }
        while try step() {}
    }

    private func check(_ code: Int32) throws(SQLiteError) {
        guard code == SQLITE_OK else { throw SQLiteError("bind", code: code, database: database.handle) }
    }

    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    // SQLite binds NULL for a null pointer, so an empty blob needs an address.
    nonisolated(unsafe) private static let empty = UnsafeRawPointer(
        UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))
}

/// A value of a statement parameter, with the storage class that SQLite uses for it.
package enum Value: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral
{
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    /// Creates an integer from a literal.
    package init(integerLiteral value: Int64) { self = .int(value) }
    /// Creates a text from a literal.
    package init(stringLiteral value: String) { self = .text(value) }
    /// Creates NULL from the literal `nil`.
    package init(nilLiteral: ()) { self = .null }
    /// An integer, or NULL for `nil`.
    package init(_ value: Int64?) { self = value.map(Value.int) ?? .null }
    /// A text, or NULL for `nil`.
    package init(_ value: String?) { self = value.map(Value.text) ?? .null }
}
