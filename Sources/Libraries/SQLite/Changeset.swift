import CSQLite

/// Changesets of SQLite's session extension (https://sqlite.org/sessionintro.html): the rows that were added, removed and
/// changed, with the values from before. Tables need a primary key.
///
/// The library trusts what it parses (CVE-2023-7104): verify bytes from outside before they come here.
package enum Changeset {
    /// What turns the rows of one file into those of another of the same schema; empty when there is no difference.
    ///
    /// - Parameters:
    ///   - old: a file that nobody changes meanwhile.
    ///   - new: the same.
    ///   - limitRows: with more rows that differ, of tables whose key is a whole number, it is given up with SQLITE_TOOBIG: they
    ///     are held in memory.
    package static func between(
        _ old: String, and new: String, limitRows: Int = .max
    ) throws(SQLiteError) -> [UInt8] {
        let rows = try DifferingRows(old, new, limit: limitRows)
        var session: OpaquePointer?
        try check(sqlite3session_create(rows.database.handle, "main", &session), "session", rows.database)
        defer { sqlite3session_delete(session) }
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

    /// One changeset that does what `first` and then `second` do.
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
    /// Makes the changes of a changeset, all or none. One that meets a row other than it expects is refused with
    /// SQLITE_ABORT: it was made for other rows than these.
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
