import CSQLite

/// The rows in which two files of one schema differ, in memory: those of the old in the schema `old`, those of the new in
/// `main`. Tables whose key is a whole number are walked side by side; of the others, which are small, all rows are taken.
///
/// The session extension asks three times for each row of one table in the other; for what differs alone, that is little.
struct DifferingRows {
    let database: Database
    private(set) var tables: [String] = []
    /// How many more rows may differ in the tables that are walked.
    private var left: Int

    /// - Parameter limit: with more rows that differ in tables that are walked, it ends with SQLITE_TOOBIG.
    init(_ old: String, _ new: String, limit: Int) throws(SQLiteError) {
        left = limit
        database = try Database(":memory:", .create)
        try database.execute("ATTACH ':memory:' AS old")
        try database.prepare("ATTACH ? AS old_file").run(.text(Database.uri(old, .immutable)))
        try database.prepare("ATTACH ? AS new_file").run(.text(Database.uri(new, .immutable)))
        // The key: the name and the place of the one column that it is made of, if that is a whole number.
        let schema = try database.prepare(
            """
            SELECT s.name, substr(sql, length('CREATE TABLE ') + 1), k.name, k.cid
            FROM new_file.sqlite_schema s LEFT JOIN pragma_table_info(s.name, 'new_file') k
                ON k.type = 'INTEGER' AND k.pk = 1
                    AND 1 = (SELECT count(*) FROM pragma_table_info(s.name, 'new_file') WHERE pk > 0)
            WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY s.name
            """)
        var keys: [(name: String, place: Int32)?] = []
        while try schema.step() {
            let (table, definition) = (schema.text(0), schema.text(1))
            try database.execute("CREATE TABLE main.\(definition); CREATE TABLE old.\(definition)")
            tables.append(table)
            keys.append(schema.isNull(2) ? nil : (schema.text(2), Int32(schema.int(3))))
        }
        for (table, key) in zip(tables, keys) {
            if let key {
                try walk(table, key.name, key.place)
            } else {
                try database.execute(
                    """
                    INSERT INTO old."\(table)" SELECT * FROM old_file."\(table)";
                    INSERT INTO main."\(table)" SELECT * FROM new_file."\(table)"
                    """)
            }
        }
    }

    private mutating func walk(_ table: String, _ key: String, _ place: Int32) throws(SQLiteError) {
        let old = try database.prepare("SELECT * FROM old_file.\"\(table)\" ORDER BY \"\(key)\"")
        let new = try database.prepare("SELECT * FROM new_file.\"\(table)\" ORDER BY \"\(key)\"")
        let places = Array(repeating: "?", count: Int(new.columnCount)).joined(separator: ", ")
        let intoOld = try database.prepare("INSERT INTO old.\"\(table)\" VALUES (\(places))")
        let intoNew = try database.prepare("INSERT INTO main.\"\(table)\" VALUES (\(places))")
        var (hasOld, hasNew) = (try old.step(), try new.step())
        while hasOld || hasNew {
            let isOld = hasOld && (!hasNew || old.int(place) <= new.int(place))
            let isNew = hasNew && (!hasOld || new.int(place) <= old.int(place))
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
