internal import Crypto
internal import SQLite

/// What a snapshot says, apart from the bytes of its file: two files with the same rows have the same content.
public enum SnapshotContent {
    /// SHA-256, hexadecimal, over all rows but those of `meta`: tables by name, rows in key order, values as SQLite's
    /// `quote()` joined by `,`, one row a line (SPEC.md section 6). Throws `SQLiteError`.
    public static func hash(path: String) throws -> String {
        let database = try Database(path, .immutable)
        var hash = SHA256()
        for table in try tables(of: database) {
            let columns = try self.columns(of: table, database)
            let values = columns.map { "quote(\($0))" }.joined(separator: " || ',' || ")
            let rows = try database.prepare("SELECT \(values) FROM \(table) ORDER BY \(columns[0])")
            try rows.rows { row in
                hash.update(row.text(0))
                hash.update("\n")
            }
        }
        return Hex.encode(hash.finish())
    }

    /// Names as SQL quotes them, in order of name; not SQLite's own, not `meta`.
    static func tables(of database: Database) throws -> [String] {
        var names: [String] = []
        try database.prepare(
            """
            SELECT name FROM sqlite_schema
            WHERE type = 'table' AND name <> 'meta' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name
            """
        ).rows { names.append(quoted($0.text(0))) }
        return names
    }

    private static func columns(of table: String, _ database: Database) throws -> [String] {
        var names: [String] = []
        try database.prepare("PRAGMA table_info(\(table))").rows { names.append(quoted($0.text(1))) }
        return names
    }

    private static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
