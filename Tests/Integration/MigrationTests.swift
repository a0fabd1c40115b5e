import CLI
import FileSystem
import Migrations
import Postgres
import Schema
import TestSupport
import Testing

@Suite struct MigrationTests {
    /// The folder's files, so that one that is forgotten in the list is noticed.
    private func files() throws -> [String] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try Files.list("/\(root)/migrations").filter { $0.hasSuffix(".sql") }
    }

    @Test func `the list and the folder are the same`() throws {
        #expect(try files() == Migration.all.map(\.fileName))
        #expect(Migration.all.map(\.version) == Array(1...Migration.all.count))
        for migration in Migration.all {
            #expect(migration.sql.count < 10_000, "\(migration.fileName) is slow to embed")
        }
    }

    @Test func `migrating twice does it once`() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let migrator = Migrator(connection)
        let error = try #require(throws: ProgramError.self) { try migrator.requireCurrent() }
        #expect(error.code == .configuration)
        #expect(try migrator.migrate().count == Migration.all.count)
        #expect(try migrator.migrate().isEmpty)
        try migrator.requireCurrent()
    }

    @Test func `a schema that psql made is taken on`() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        for migration in Migration.all.dropLast() {
            try connection.transaction { _ = try connection.execute(String(decoding: migration.sql, as: UTF8.self)) }
        }
        #expect(try Migrator(connection).migrate().map(\.version) == [Migration.all.count])
        let without = try connection.query("SELECT count(*) FROM tapline.schema_migrations WHERE checksum IS NULL")
        #expect(without.int(0, 0) == 0)
    }

    @Test(
        arguments: [
            "UPDATE tapline.schema_migrations SET checksum = 'other' WHERE version = 2",
            "UPDATE tapline.schema_migrations SET name = 'other' WHERE version = 2",
            "INSERT INTO tapline.schema_migrations (version, name) VALUES (1000, 'future')",
            "DELETE FROM tapline.schema_migrations WHERE version = 1",
        ])
    func `a changed, unknown or missing migration is refused`(_ damage: String) throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        _ = try Migrator(connection).migrate()
        try connection.execute(damage)
        for attempt in [{ _ = try Migrator(connection).migrate() }, { try Migrator(connection).requireCurrent() }] {
            let error = try #require(throws: ProgramError.self) { try attempt() }
            #expect(error.code == .configuration)
        }
    }

    @Test func `a migration that fails leaves nothing behind`() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let broken = Migration(
            version: 2, name: "broken", sql: Array("CREATE TABLE tapline.half (); SELECT 1/0;".utf8))
        #expect(throws: PostgresError.self) { try Migrator(connection, [Migration.all[0], broken]).migrate() }
        #expect(try connection.query("SELECT to_regclass('tapline.half')").isNull(0, 0))
        #expect(try connection.query("SELECT max(version) FROM tapline.schema_migrations").int(0, 0) == 1)
        let forgetful = Migration(version: 2, name: "forgetful", sql: Array("CREATE TABLE tapline.half ();".utf8))
        #expect(throws: ProgramError.self) { try Migrator(connection, [Migration.all[0], forgetful]).migrate() }
        #expect(try connection.query("SELECT to_regclass('tapline.half')").isNull(0, 0))
    }

    @Test func `day starts follow the event's clock`() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        _ = try Migrator(connection).migrate()
        func start(_ at: String) throws -> String {
            try connection.query("SELECT tapline.day_start($1::text::timestamptz)", [.text(at)]).text(0, 0)
        }
        #expect(try start("2026-05-06 05:59:59+00") == "2026-05-05 06:00:00+00")
        #expect(try start("2026-05-06 06:00:00+00") == "2026-05-06 06:00:00+00")
        try connection.execute(
            "INSERT INTO tapline.event (name, time_zone, day_start) VALUES ('E', 'Europe/Berlin', '02:30')")
        // 02:30 does not exist that day, the clocks jump from 2 to 3.
        #expect(try start("2026-03-29 12:00:00+00") == "2026-03-29 01:30:00+00")
        // 02:30 comes twice that day, at 00:30 and 01:30 UTC.
        #expect(try start("2026-10-25 12:00:00+00") == "2026-10-25 01:30:00+00")
        #expect(try start("2026-10-25 00:45:00+00") == "2026-10-24 00:30:00+00")
        #expect(throws: PostgresError.self) {
            try connection.execute("UPDATE tapline.event SET time_zone = 'Mars/Olympus'")
        }
    }
}
