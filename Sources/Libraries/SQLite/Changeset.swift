import CSQLite

/// Changesets of SQLite's session extension (https://sqlite.org/sessionintro.html): inserted, deleted and changed rows
/// with their previous values. Tables need a primary key.
///
/// SQLite does not validate changesets (CVE-2023-7104): verify the signature of bytes from outside before their use.
package enum Changeset {
    /// Computes the changeset from one file to another with the same schema.
    ///
    /// - Parameters:
    ///   - old: path of the old file, which must not change during the call.
    ///   - new: path of the new file, likewise.
    ///   - limitRows: maximum number of differing rows in tables with an integer key. They are held in memory.
    /// - Returns: the changeset; empty if the rows are equal.
    /// - Throws: `SQLiteError`; SQLITE_TOOBIG above `limitRows`.
    package static func between(
        _ old: String, and new: String, limitRows: Int = .max
    ) throws(SQLiteError) -> [UInt8] {
        let rows = try DifferingRows(old, new, limit: limitRows)
        var session: OpaquePointer?
        try check(sqlite3session_create(rows.database.handle, "main", &session), "session", rows.database)
        // The session uses the connection.
        defer { withExtendedLifetime(rows) { sqlite3session_delete(session) } }
        for table in rows.tables {
            try check(sqlite3session_attach(session, table), "attach \(table)", rows.database)
            var message: UnsafeMutablePointer<CChar>?
            let code = sqlite3session_diff(session, "old", table, &message)
            let text = message.map { String(cString: $0) } ?? ""
            sqlite3_free(message)
            guard code == SQLITE_OK else {
                throw SQLiteError("compare \(table) \(text)", code: code, database: rows.database.handle)
            }
        }
        var (size, bytes): (Int32, UnsafeMutableRawPointer?) = (0, nil)
        try check(sqlite3session_changeset(session, &size, &bytes), "changeset", rows.database)
        return take(bytes, size)
    }

    /// Combines two changesets.
    ///
    /// - Parameters:
    ///   - first: the changeset to apply first.
    ///   - second: the changeset to apply to its result.
    /// - Returns: one changeset with the effect of both.
    /// - Throws: `SQLiteError`.
    package static func joined(_ first: [UInt8], _ second: [UInt8]) throws(SQLiteError) -> [UInt8] {
        var group: OpaquePointer?
        try check(sqlite3changegroup_new(&group), "changegroup", nil)
        defer { sqlite3changegroup_delete(group) }
        for part in [first, second] where !part.isEmpty {
            var part = part
            let code = part.withUnsafeMutableBytes { sqlite3changegroup_add(group, Int32($0.count), $0.baseAddress) }
            try check(code, "join changesets", nil)
        }
        var (size, bytes): (Int32, UnsafeMutableRawPointer?) = (0, nil)
        try check(sqlite3changegroup_output(group, &size, &bytes), "join changesets", nil)
        return take(bytes, size)
    }

    private static func check(_ code: Int32, _ operation: String, _ database: Database?) throws(SQLiteError) {
        guard code == SQLITE_OK else { throw SQLiteError(operation, code: code, database: database?.handle) }
    }

    private static func take(_ bytes: UnsafeMutableRawPointer?, _ size: Int32) -> [UInt8] {
        defer { sqlite3_free(bytes) }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(size)))
    }
}

extension Database {
    /// Applies a changeset completely or not at all.
    ///
    /// - Parameter changeset: the changeset.
    /// - Throws: `SQLiteError`; SQLITE_ABORT if a row differs from the previous values in the changeset.
    package func apply(_ changeset: [UInt8]) throws(SQLiteError) {
        guard !changeset.isEmpty else { return }
        var changeset = changeset
        let code = changeset.withUnsafeMutableBytes {
            sqlite3changeset_apply_v2(
                handle, Int32($0.count), $0.baseAddress, nil, { _, _, _ in SQLITE_CHANGESET_ABORT }, nil, nil, nil, 0)
        }
        guard code == SQLITE_OK else { throw SQLiteError("apply a changeset", code: code, database: handle) }
    }
}
