import Crypto
import SQLite

/// The content hash of a snapshot. Two files with the same rows have the same hash, whatever their bytes.
package enum SnapshotContent {
    /// Size of the text in bytes that is collected before it is hashed.
    package static let pieceBytes = 1 << 16

    /// Returns the SHA-256 in hexadecimal over all rows except those of `meta`.
    ///
    /// Tables are in order of name, rows in key order. A row is one line: the values in the form of SQLite's `quote()`,
    /// joined by `,` (contract.md section 6).
    ///
    /// - Throws: `SQLiteError`.
    package static func hash(path: String) throws -> String {
        let database = try Database(path, .immutable)
        var hash = SHA256()
        for table in try tables(of: database) {
            let columns = try self.columns(of: table, database)
            let before = hash
            if try !addNumbersAndTexts(of: table, columns, database, to: &hash) {
                hash = before
                try addAnything(of: table, columns, database, to: &hash)
            }
        }
        return Hex.encode(hash.finish())
    }

    /// Adds a table that holds only integers, texts without NUL and NULL, as all tables of Tapline's snapshots do.
    ///
    /// - Returns: `false` if the table holds other values. Then `hash` must be discarded.
    private static func addNumbersAndTexts(
        of table: String, _ columns: [String], _ database: Database, to hash: inout SHA256
    ) throws -> Bool {
        let rows = try database.prepare(
            "SELECT \(columns.joined(separator: ", ")) FROM \(table) ORDER BY \(columns[0])")
        defer { rows.reset() }
        var text = ContentText()
        while try rows.step() {
            for column in 0..<Int32(columns.count) {
                switch rows.kind(column) {
                case .integer: text.append(rows.int(column))
                case .null: text.appendNull()
                case .text:
                    let bytes = rows.blob(column)
                    guard !bytes.contains(0) else { return false }
                    text.append(text: bytes)
                case .real, .blob: return false
                }
            }
            text.endRow()
            if text.bytes.count > pieceBytes {
                hash.update(text.bytes)
                text.clear()
            }
        }
        hash.update(text.bytes)
        return true
    }

    /// Adds any table, with SQLite's `quote()`.
    private static func addAnything(
        of table: String, _ columns: [String], _ database: Database, to hash: inout SHA256
    ) throws {
        let values = columns.map { "quote(\($0))" }.joined(separator: " || ',' || ")
        let rows = try database.prepare("SELECT \(values) FROM \(table) ORDER BY \(columns[0])")
        try rows.rows { row in
            hash.update(row.blob(0))
            hash.update("\n")
        }
    }

    /// The quoted names of all tables except `meta` and SQLite's own, in order of name.
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
