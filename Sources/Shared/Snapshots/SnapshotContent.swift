import Crypto
import SQLite

/// What a snapshot says, apart from the bytes of its file: two files with the same rows have the same content.
package enum SnapshotContent {
    /// Bytes of text that are collected before they are hashed.
    package static let pieceBytes = 1 << 16

    /// SHA-256, hexadecimal, over all rows but those of `meta`: tables by name, rows in key order, values as SQLite's
    /// `quote()` joined by `,`, one row a line (SPEC.md section 6). Throws `SQLiteError`.
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

    /// False, and then `hash` is of no use, where there is anything but whole numbers, texts without NUL, and NULL: no
    /// snapshot of ours has such.
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

    /// By SQLite's own `quote()`.
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
