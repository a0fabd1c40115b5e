import SQLite
import TestSupport
import Testing

struct ChangesetTests {
    let folder = TemporaryFolder()

    /// Creates a file with the two kinds of tables that snapshots have.
    private func file(_ name: String, _ rows: [Int64: Int64], meta: String) throws -> String {
        let path = folder.file(name)
        let database = try Database(path, .create)
        try database.execute(
            """
            PRAGMA journal_mode = OFF;
            CREATE TABLE a (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
            CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
            """)
        let insert = try database.prepare("INSERT INTO a VALUES (?, ?)")
        for (id, value) in rows.sorted(by: { $0.key < $1.key }) { try insert.run(.int(id), .int(value)) }
        try database.prepare("INSERT INTO meta VALUES ('version', ?)").run(.text(meta))
        return path
    }

    private func content(_ path: String) throws -> [String] {
        var lines: [String] = []
        let database = try Database(path, .readOnly)
        try database.prepare("SELECT id || ',' || value FROM a ORDER BY id").rows { lines.append($0.text(0)) }
        try database.prepare("SELECT value FROM meta").rows { lines.append($0.text(0)) }
        return lines
    }

    @Test func changesetTurnsOneFileIntoTheOther() throws {
        let old = try file("old", [1: 10, 2: 20, -3: 30], meta: "1")
        let new = try file("new", [1: 10, 2: 21, 4: 40], meta: "2")
        let change = try Changeset.between(old, and: new)
        #expect(try Changeset.between(old, and: new) == change, "the same twice")
        try Database(old, .readWrite).apply(change)
        #expect(try content(old) == content(new))
        #expect(try Changeset.between(old, and: new).isEmpty)
    }

    @Test func numberOfDifferingRowsIsLimited() throws {
        let old = try file("old", [1: 10, 2: 20, -3: 30], meta: "1")
        let new = try file("new", [1: 10, 2: 21, 4: 40], meta: "2")
        #expect(try Changeset.between(old, and: new, limitRows: 3) == Changeset.between(old, and: new))
        let error = #expect(throws: SQLiteError.self) { try Changeset.between(old, and: new, limitRows: 2) }
        #expect(error?.primary == 18, "SQLITE_TOOBIG")
    }

    @Test func joinedChangesetHasBothEffects() throws {
        let first = try file("1", [1: 10, 2: 20, 3: 30], meta: "1")
        let second = try file("2", [1: 11, 3: 30, 4: 40], meta: "2")
        let third = try file("3", [1: 12, 2: 20, 3: 30], meta: "3")
        let joined = try Changeset.joined(
            Changeset.between(first, and: second), Changeset.between(second, and: third))
        try Database(first, .readWrite).apply(joined)
        #expect(try content(first) == content(third))
        #expect(try Changeset.joined([], []).isEmpty)
    }

    @Test func changesetForOtherRowsChangesNothing() throws {
        let change = try Changeset.between(
            file("old", [1: 10, 2: 20], meta: "1"), and: file("new", [1: 11, 2: 21, 3: 31], meta: "2"))
        let other = try file("other", [1: 10, 2: 22], meta: "1")
        let before = try content(other)
        let error = #expect(throws: SQLiteError.self) { try Database(other, .readWrite).apply(change) }
        #expect(error?.primary == 4, "SQLITE_ABORT")
        #expect(try content(other) == before)
    }

    @Test func invalidChangesetIsRejected() throws {
        let path = try file("x", [1: 10], meta: "1")
        for bytes: [UInt8] in [[0], [0x54, 0xff, 0xff], Array("no changeset".utf8)] {
            #expect(throws: SQLiteError.self) { try Database(path, .readWrite).apply(bytes) }
        }
        #expect(try content(path) == ["1,10", "1"])
    }

    /// Compares with an equivalent SQL query, for random tables with all kinds of keys and values.
    @Test(arguments: 1...20)
    func changesetFindsEveryDifference(seed: UInt64) throws {
        var random = TestRandom(seed: seed)
        func value() -> String {
            ["NULL", "1", "-9223372036854775808", "9223372036854775807", "1.5", "''", "'a'", "'a b'", "x'00'", "x'61'"]
                .randomElement(using: &random) ?? "NULL"
        }
        func any(_ name: String) throws -> String {
            let path = folder.file("\(name)-\(seed)")
            let database = try Database(path, .create)
            try database.execute(
                """
                CREATE TABLE "number key"(v, id INTEGER PRIMARY KEY, w);
                CREATE TABLE word(w TEXT PRIMARY KEY NOT NULL, v) WITHOUT ROWID;
                CREATE TABLE two(a INTEGER, b INTEGER, v, PRIMARY KEY (a, b));
                """)
            for id in ["-9223372036854775808", "-5", "0", "7", "9223372036854775807"] where Bool.random(using: &random)
            {
                try database.execute(
                    """
                    INSERT INTO "number key" VALUES (\(value()), \(id), \(value()));
                    INSERT INTO word VALUES ('w\(id)', \(value())); INSERT INTO two VALUES (\(id), 1, \(value()))
                    """)
            }
            return path
        }
        let (old, new) = (try any("old"), try any("new"))
        try Database(old, .readWrite).apply(Changeset.between(old, and: new))
        let database = try Database(old, .readWrite)
        try database.prepare("ATTACH ? AS new").run(.text(Database.uri(new, .immutable)))
        for table in ["number key", "word", "two"] {
            for (one, other) in [("main", "new"), ("new", "main")] {
                let left =
                    "SELECT count(*) FROM (SELECT * FROM \(one).\"\(table)\" EXCEPT SELECT * FROM \(other).\"\(table)\")"
                #expect(try database.int(left) == 0, "seed \(seed), \(table)")
            }
        }
    }
}
