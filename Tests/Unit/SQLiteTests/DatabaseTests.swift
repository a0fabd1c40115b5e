import FileSystem
import Glibc
import SQLite
import TestSupport
import Testing

struct DatabaseTests {
    let folder = TemporaryFolder()

    @Test func modesLimitAccess() throws {
        let path = folder.file("x.sqlite")
        for mode in [Database.Mode.readWrite, .readOnly, .immutable] {
            let error = #expect(throws: SQLiteError.self) { _ = try Database(path, mode) }
            #expect(error?.isCannotOpen == true, "\(mode)")
        }
        #expect(!Files.exists(path))
        try Database(path, .create).execute("CREATE TABLE t (a)")
        try Database(path, .readWrite).execute("INSERT INTO t VALUES (1)")
        for mode in [Database.Mode.readOnly, .immutable] {
            let database = try Database(path, mode)
            #expect(try database.int("SELECT count(*) FROM t") == 1)
            let error = #expect(throws: SQLiteError.self) { try database.execute("INSERT INTO t VALUES (2)") }
            #expect(error?.primary == 8, "\(mode): SQLITE_READONLY")
        }
    }

    @Test(arguments: ["plain", "a b%20c", "what?x=1", "no#tes", "100%", "mode=ro&immutable=1", "zürich", "a:b"])
    func fileNamesAreNotInterpreted(name: String) throws {
        let path = folder.file(name)
        try Database(path, .create).execute("CREATE TABLE t (a)")
        #expect(try Files.list(folder.path) == [name])
        #expect(try Database("/" + path, .immutable).int("SELECT count(*) FROM t") == 0)
    }

    @Test func transactionIsCommittedOrRolledBackAsAWhole() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        try database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        let insert = try database.prepare("INSERT INTO t VALUES (?)")
        let count = try database.transaction {
            try insert.run(1)
            try insert.run(2)
            return 2
        }
        #expect(count == 2)
        let error = #expect(throws: SQLiteError.self) {
            try database.transaction {
                try insert.run(3)
                try insert.run(1)
            }
        }
        #expect(error?.code == 1555)
        struct Own: Error {}
        #expect(throws: Own.self) {
            try database.transaction("EXCLUSIVE") {
                try insert.run(4)
                throw Own()
            }
        }
        #expect(try database.int("SELECT count(*) FROM t") == 2)
        try database.transaction { try insert.run(5) }
        #expect(try database.int("SELECT max(a) FROM t") == 5)
    }

    /// After a failed COMMIT the connection can begin the next transaction.
    @Test func failedCommitIsRolledBack() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        try database.execute(
            """
            PRAGMA foreign_keys = ON;
            CREATE TABLE a (id INTEGER PRIMARY KEY);
            CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)
            """)
        let error = #expect(throws: SQLiteError.self) {
            try database.transaction { try database.execute("INSERT INTO b VALUES (7)") }
        }
        #expect(error?.primary == 19)
        try database.transaction { try database.execute("INSERT INTO b VALUES (NULL)") }
        #expect(try database.int("SELECT count(*) FROM b") == 1)
    }

    @Test func lockedDatabaseIsReportedAsBusy() throws {
        let path = folder.file("x.sqlite")
        let first = try Database(path, .create)
        try first.execute("CREATE TABLE t (a); BEGIN EXCLUSIVE")
        let second = try Database(path, .readWrite, busyTimeoutMs: 0)
        let error = #expect(throws: SQLiteError.self) { try second.execute("INSERT INTO t VALUES (1)") }
        #expect(error?.isBusy == true && error?.isDamaged == false)
        try first.execute("COMMIT")
        try second.execute("INSERT INTO t VALUES (1)")
    }

    @Test func fullDiskIsReported() throws {
        let database = try Database(folder.file("x.sqlite"), .create)
        try database.execute("PRAGMA max_page_count = 4; CREATE TABLE t (a)")
        let error = #expect(throws: SQLiteError.self) {
            try database.execute("INSERT INTO t VALUES (zeroblob(100000))")
        }
        #expect(error?.isFull == true)
    }

    @Test func corruptFileIsReported() throws {
        let path = folder.file("x.sqlite")
        try Files.writeAtomically([UInt8](repeating: 0x5a, count: 8_192), to: path)
        let error = #expect(throws: SQLiteError.self) {
            try Database(path, .readWrite).execute("SELECT * FROM sqlite_schema")
        }
        #expect(error?.isDamaged == true)

        let other = folder.file("y.sqlite")
        let database = try Database(other, .create)
        try database.execute("PRAGMA page_size = 4096; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100))")
        var bytes = try Files.read(other)
        for index in 4_096..<8_192 { bytes[index] = 0xff }
        try Files.writeAtomically(bytes, to: other)
        let broken = #expect(throws: SQLiteError.self) {
            _ = try Database(other, .immutable).int("SELECT a FROM t")
        }
        #expect(broken?.isDamaged == true, "\(broken as Any)")
    }
}
