import CSQLite

/// The differing rows of two files with the same schema, in memory: old rows in the schema `old`, new rows in `main`.
///
/// Tables with an integer key are merged in key order. The other tables are small and are copied completely.
///
/// The session extension runs three queries per row to compare two tables. Comparing only the differing rows is faster.
struct DifferingRows {
    let database: Database
    private(set) var tables: [String] = []
    /// Remaining number of differing rows in tables with an integer key.
    private var left: Int

    /// - Parameters:
    ///   - old: path of the old file.
    ///   - new: path of the new file.
    ///   - limit: maximum number of differing rows in tables with an integer key.
    /// - Throws: `SQLiteError`; SQLITE_TOOBIG above the limit.
    init(_ old: String, _ new: String, limit: Int) throws(SQLiteError) {
        left = limit
        database = try Database(":memory:", .create)
        try database.execute("ATTACH ':memory:' AS old")
        try database.prepare("ATTACH ? AS old_file").run(.text(Database.uri(old, .immutable)))
        try database.prepare("ATTACH ? AS new_file").run(.text(Database.uri(new, .immutable)))
        // The key: name and position of the only key column, if it is an integer.
        let schema = try database.prepare(
            """
            SELECT s.name, substr(sql, length('CREATE TABLE ') + 1), k.name, k.cid
            FROM new_file.sqlite_schema s LEFT JOIN pragma_table_info(s.name, 'new_file') k
                ON k.type = 'INTEGER' AND k.pk = 1
                    AND 1 = (SELECT count(*) FROM pragma_table_info(s.name, 'new_file') WHERE pk > 0)
            WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY s.name
            """)
        var keys: [(name: String, column: Int32)?] = []
        while try schema.step() {
            let (table, definition) = (schema.text(0), schema.text(1))
            try database.execute("CREATE TABLE main.\(definition); CREATE TABLE old.\(definition)")
            tables.append(table)
            keys.append(schema.isNull(2) ? nil : (schema.text(2), Int32(schema.int(3))))
        }
        for (table, key) in zip(tables, keys) {
            if let key {
                try merge(table, key.name, key.column)
            } else {
                try database.execute(
                    """
                    INSERT INTO old."\(table)" SELECT * FROM old_file."\(table)";
                    INSERT INTO main."\(table)" SELECT * FROM new_file."\(table)"
                    """)
            }
        }
    }

    private mutating func merge(_ table: String, _ key: String, _ column: Int32) throws(SQLiteError) {
        let old = try database.prepare("SELECT * FROM old_file.\"\(table)\" ORDER BY \"\(key)\"")
        let new = try database.prepare("SELECT * FROM new_file.\"\(table)\" ORDER BY \"\(key)\"")
        let parameters = Array(repeating: "?", count: Int(new.columnCount)).joined(separator: ", ")
        let intoOld = try database.prepare("INSERT INTO old.\"\(table)\" VALUES (\(parameters))")
        let intoNew = try database.prepare("INSERT INTO main.\"\(table)\" VALUES (\(parameters))")
        var (hasOld, hasNew) = (try old.step(), try new.step())
        while hasOld || hasNew {
            let isOld = hasOld && (!hasNew || old.int(column) <= new.int(column))
            let isNew = hasNew && (!hasOld || new.int(column) <= old.int(column))
            if !isOld || !isNew || !old.hasSameRow(as: new) {
                guard left > 0 else {
                    throw SQLiteError("compare \(table): too many rows differ", code: SQLITE_TOOBIG, database: nil)
                }
                left -= 1
                if isOld { try intoOld.run(withRowOf: old) }
                if isNew { try intoNew.run(withRowOf: new) }
            }
            if isOld { hasOld = try old.step() }
            if isNew { hasNew = try new.step() }
        }
    }
}
