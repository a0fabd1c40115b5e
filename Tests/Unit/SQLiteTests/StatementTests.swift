import SQLite
import TestSupport
import Testing

struct StatementTests {
    let folder = TemporaryFolder()

    @Test func boundValuesRoundTrip() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        try database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        let insert = try database.prepare("INSERT INTO t (v) VALUES (?)")
        let values: [Value] = [
            .null, 0, .int(.min), .int(.max), "", "Zürich 👍", .text("a\u{0}b"), .blob([]), .blob([0, 255, 0]),
            Value(nil as Int64?), Value(nil as String?),
        ]
        for value in values { try insert.run(value) }
        let types = ["null", "integer", "integer", "integer", "text", "text", "text", "blob", "blob", "null", "null"]
        var seen: [String] = []
        try database.prepare("SELECT typeof(v) FROM t ORDER BY id").rows { seen.append($0.text(0)) }
        #expect(seen == types)
        let select = try database.prepare("SELECT v FROM t WHERE id = ?")
        func row<Result>(_ id: Int64, _ read: (Statement) -> Result) throws -> Result {
            try select.bind(1, id)
            defer { select.reset() }
            #expect(try select.step())
            return read(select)
        }
        #expect(try row(1) { $0.isNull(0) && $0.optionalInt(0) == nil && $0.optionalText(0) == nil })
        #expect(try row(3) { $0.int(0) } == .min)
        #expect(try row(4) { $0.optionalInt(0) } == .max)
        #expect(try row(5) { $0.optionalText(0) } == "")
        #expect(try row(6) { $0.text(0) } == "Zürich 👍")
        #expect(try row(7) { $0.text(0) } == "a\u{0}b")
        #expect(try row(8) { $0.blob(0).isEmpty && !$0.isNull(0) })
        #expect(try row(9) { $0.blob(0) } == [0, 255, 0])
    }

    @Test func queryReturnsFirstColumnOfFirstRow() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        #expect(try database.int("SELECT 7 UNION SELECT 8") == 7)
        #expect(try database.int("SELECT ? + ?", 40, 2) == 42)
        #expect(try database.int("SELECT NULL") == nil)
        #expect(try database.int("SELECT 1 WHERE 0") == nil)
        #expect(try database.text("SELECT upper(?)", "abc") == "ABC")
        #expect(try database.text("SELECT NULL") == nil)
    }

    @Test func statementIsReusableAfterAnError() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        try database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        let insert = try database.prepare("INSERT INTO t VALUES (?)")
        try insert.run(1)
        let error = #expect(throws: SQLiteError.self) { try insert.run(1) }
        // SQLITE_CONSTRAINT_PRIMARYKEY: extended codes are on.
        #expect(error?.code == 1555 && error?.primary == 19)
        #expect(error?.operation == "INSERT INTO t VALUES (?)")
        try insert.run(2)
        #expect(database.changes == 1)
        #expect(try database.int("SELECT count(*) FROM t") == 2)
    }

    @Test func rowsEndsItsReadIfTheBodyThrows() throws {
        let path = folder.file("x.sqlite")
        let database = try Database(path, .create)
        try database.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
        let select = try database.prepare("SELECT a FROM t")
        struct Enough: Error {}
        #expect(throws: Enough.self) { try select.rows { _ in throw Enough() } }
        // An open read would make this fail with SQLITE_LOCKED.
        try database.execute("DROP TABLE t")
    }

    @Test func parameterIndexOutOfRangeIsAnError() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        let statement = try database.prepare("SELECT ?")
        let error = #expect(throws: SQLiteError.self) { try statement.bind([1, 2]) }
        #expect(error?.primary == 25)
        #expect(throws: SQLiteError.self) { try database.prepare("SELEC 1") }
        #expect(throws: SQLiteError.self) { try database.prepare("") }
        #expect(throws: SQLiteError.self) { try database.execute("SELECT * FROM nothing") }
    }
}
