import SQLite
import Snapshots

/// The differences between two snapshot files, by table and row.
package struct SnapshotDiff: Sendable {
    /// The kind of a difference. The raw value is its mark in a report.
    package enum Change: String, Sendable {
        case added = "+"
        case removed = "-"
        case changed = "~"
    }

    /// One row that differs.
    package struct Row: Sendable {
        /// Name of the table.
        package let table: String
        /// The kind of the difference.
        package let change: Change
        /// Values by column, quoted by SQLite. For a changed row: the key, and both values of each column that differs.
        package let text: String
    }

    /// The numbers of differences in one table, in rows.
    package struct Count: Sendable {
        /// Name of the table.
        package let table: String
        /// Rows that only the new snapshot has.
        package var added = 0
        /// Rows that only the old snapshot has.
        package var removed = 0
        /// Rows with the same key and at least one other value.
        package var changed = 0
        /// Whether the tables are equal.
        package var isEmpty: Bool { added + removed + changed == 0 }
    }

    /// One for each table, sorted by name.
    package private(set) var counts: [Count] = []
    /// Sorted by table and key; at most `limit` for each table and kind of change.
    package private(set) var rows: [Row] = []

    /// Whether the snapshots are equal in all tables.
    package var isEmpty: Bool { counts.allSatisfy(\.isEmpty) }

    /// Compares two snapshots by the keys of their rows.
    ///
    /// - Parameters:
    ///   - old: a file or a folder (`NewestSnapshot`).
    ///   - new: likewise.
    ///   - limit: maximum number of rows for each table and kind of change. All differences are counted.
    /// - Throws: the errors of `Snapshot.init`; `SnapshotExportError.noSnapshot` for a folder without a snapshot.
    package init(from old: String, to new: String, limit: Int = 20) throws {
        let (old, new) = (try NewestSnapshot.file(old), try NewestSnapshot.file(new))
        for path in [old, new] { _ = try Snapshot(path: path) }
        let database = try Database(old, .immutable)
        let attach = try database.prepare("ATTACH ? AS new")
        try attach.run(.text(Database.uri(new, .immutable)))
        let tables = try database.prepare(
            """
            SELECT name FROM main.sqlite_schema
            WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name
            """)
        var names: [String] = []
        try tables.rows { names.append($0.text(0)) }
        for name in names { try compare(database, name, limit) }
    }

    private mutating func compare(_ database: Database, _ table: String, _ limit: Int) throws {
        var columns: [String] = []
        try database.prepare("PRAGMA main.table_info(\(table))").rows { columns.append($0.text(1)) }
        let key = columns[0]
        func shown(_ alias: String) -> String {
            columns.map { "'\($0)=' || quote(\(alias).\($0))" }.joined(separator: " || ' ' || ")
        }
        let differs = columns.map { "a.\($0) IS NOT b.\($0)" }.joined(separator: " OR ")
        let changes =
            "'\(key)=' || quote(a.\(key))"
            + columns.dropFirst().map {
                " || CASE WHEN a.\($0) IS NOT b.\($0)"
                    + " THEN ' \($0)=' || quote(a.\($0)) || ' -> ' || quote(b.\($0)) ELSE '' END"
            }.joined()
        var count = Count(table: table)
        let removed = "FROM main.\(table) a WHERE NOT EXISTS (SELECT 1 FROM new.\(table) b WHERE b.\(key) = a.\(key))"
        let added = "FROM new.\(table) b WHERE NOT EXISTS (SELECT 1 FROM main.\(table) a WHERE a.\(key) = b.\(key))"
        let changed = "FROM main.\(table) a JOIN new.\(table) b ON b.\(key) = a.\(key) WHERE \(differs)"
        count.removed = try collect(database, table, .removed, shown("a"), removed, "a.\(key)", limit)
        count.added = try collect(database, table, .added, shown("b"), added, "b.\(key)", limit)
        count.changed = try collect(database, table, .changed, changes, changed, "a.\(key)", limit)
        counts.append(count)
    }

    private mutating func collect(
        _ database: Database, _ table: String, _ change: Change, _ expression: String, _ source: String,
        _ order: String, _ limit: Int
    ) throws -> Int {
        let total = Int(try database.int("SELECT count(*) \(source)") ?? 0)
        guard total > 0 else { return 0 }
        var found: [Row] = []
        try database.prepare("SELECT \(expression) \(source) ORDER BY \(order) LIMIT \(limit)").rows {
            found.append(Row(table: table, change: change, text: $0.text(0)))
        }
        rows += found
        return total
    }
}
