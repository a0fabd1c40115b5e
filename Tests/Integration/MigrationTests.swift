import ErrorModel
import FileSystem
import Migrations
import Postgres
import Schema
import TestSupport
import Testing

@Suite struct MigrationTests {
    /// The files of the folder, to find one that is missing in the list.
    private func files() throws -> [String] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try Files.list("/\(root)/migrations").filter { $0.hasSuffix(".sql") }
    }

    @Test func migrationListMatchesFolder() throws {
        #expect(try files() == Migration.all.map(\.fileName))
        #expect(Migration.all.map(\.version) == Array(1...Migration.all.count))
        for migration in Migration.all {
            #expect(migration.sql.count < 10_000, "\(migration.fileName) is slow to embed")
        }
    }

    @Test func secondMigrationDoesNothing() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let migrator = Migrator(connection)
        let error = try #require(throws: SchemaError.self) { try migrator.requireCurrent() }
        #expect(error.category == .configuration)
        #expect(try migrator.migrate().count == Migration.all.count)
        #expect(try migrator.migrate().isEmpty)
        try migrator.requireCurrent()
    }

    @Test func schemaMadeByPsqlIsContinued() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        for migration in Migration.all.dropLast() {
            try connection.transaction { _ = try connection.execute(String(decoding: migration.sql, as: UTF8.self)) }
        }
        #expect(try Migrator(connection).migrate().map(\.version) == [Migration.all.last?.version])
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
    func changedUnknownOrMissingMigrationIsRejected(_ damage: String) throws {
        let database = try TestDatabase.migrated()
        let connection = try database.connect()
        try connection.execute(damage)
        for attempt in [{ _ = try Migrator(connection).migrate() }, { try Migrator(connection).requireCurrent() }] {
            let error = try #require(throws: SchemaError.self) { try attempt() }
            #expect(error.category == .configuration)
        }
    }

    /// Some numbers and names equal those of current migrations; psql stores no checksum.
    @Test(
        arguments: [
            "('1', 'registry', NULL)", "('1', 'registry', repeat('ab', 32)), ('2', 'scans', repeat('ab', 32))",
            "('1', 'registry', NULL), ('2', 'scans', NULL), ('3', 'presence', NULL)",
            "('1', 'registry', repeat('ab', 32)), ('2', 'scans', repeat('ab', 32)), ('17', 'lane_events', NULL)",
        ])
    func preReleaseDatabaseIsRejectedWithInstructions(_ rows: String) throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        try connection.execute(
            """
            CREATE SCHEMA tapline;
            CREATE SCHEMA tapline_internal;
            CREATE TABLE tapline.schema_migrations (
                version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
                checksum text);
            INSERT INTO tapline.schema_migrations (version, name, checksum)
                SELECT v::integer, n, c FROM (VALUES \(rows)) AS row(v, n, c);
            """)
        for attempt in [{ _ = try Migrator(connection).migrate() }, { try Migrator(connection).requireCurrent() }] {
            let error = try #require(throws: SchemaError.self) { try attempt() }
            #expect(error.category == .configuration)
            #expect(error == .preRelease)
        }
    }

    @Test func commandsNameTheCommandThatMigrates() throws {
        let database = try TestDatabase()
        let list = try Run.it("tapline-center", ["zone", "list", "--database-url", database.url])
        #expect(list.end == .exit(78))
        #expect(list.errors.contains("the database has no tapline schema: run `tapline-center migrate` first"))
        try database.connect().execute(
            """
            CREATE SCHEMA tapline;
            CREATE TABLE tapline.schema_migrations (version integer, name text, checksum text);
            INSERT INTO tapline.schema_migrations VALUES (1, 'registry')
            """)
        let migrate = try Run.it("tapline-center", ["migrate", "--database-url", database.url])
        #expect(migrate.end == .exit(78))
        #expect(migrate.errors.contains("`tapline-center export`, then `tapline-center migrate`"))
    }

    @Test func everyPublicObjectHasComment() throws {
        let database = try TestDatabase.migrated()
        let connection = try database.connect()
        let bare = try connection.query(
            """
            SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relnamespace = 'tapline'::regnamespace AND c.relkind IN ('r', 'v', 'p')
                AND (obj_description(c.oid, 'pg_class') IS NULL OR col_description(c.oid, a.attnum) IS NULL)
            UNION ALL
            SELECT oid::regprocedure::text FROM pg_proc
            WHERE pronamespace = 'tapline'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
            """)
        #expect((0..<bare.rowCount).map { bare.text($0, 0) } == [])
    }

    @Test func readerRoleReadsOnlyPublicSchema() throws {
        let database = try TestDatabase.migrated()
        let connection = try database.connect()
        try connection.execute("SET ROLE tapline_reader_names")
        let names = try connection.query(
            """
            SELECT c.oid::regclass::text FROM pg_class c
            WHERE c.relnamespace = 'tapline'::regnamespace AND c.relkind IN ('r', 'v', 'p')
            """)
        #expect(names.rowCount > 20)
        for row in 0..<names.rowCount { try connection.query("SELECT * FROM \(names.text(row, 0))") }
        for denied in [
            "SELECT * FROM tapline_internal.topology", "SELECT tapline_internal.rebuild_tracking(false)",
            "DELETE FROM tapline.quarantine", "SELECT tapline.accept_gap(1, 1, 1)",
        ] {
            let error = try #require(throws: PostgresError.self) { try connection.query(denied) }
            #expect(error.sqlState == "42501", "\(denied)")
        }
    }

    @Test func failedMigrationLeavesNothing() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let broken = Migration(
            version: 2, name: "broken", sql: Array("CREATE TABLE tapline.half (); SELECT 1/0;".utf8))
        #expect(throws: PostgresError.self) { try Migrator(connection, [Migration.all[0], broken]).migrate() }
        #expect(try connection.query("SELECT to_regclass('tapline.half')").isNull(0, 0))
        #expect(try connection.query("SELECT max(version) FROM tapline.schema_migrations").int(0, 0) == 1)
        let forgetful = Migration(version: 2, name: "forgetful", sql: Array("CREATE TABLE tapline.half ();".utf8))
        #expect(throws: SchemaError.self) { try Migrator(connection, [Migration.all[0], forgetful]).migrate() }
        #expect(try connection.query("SELECT to_regclass('tapline.half')").isNull(0, 0))
    }

    @Test func dayStartsFollowEventTimeZone() throws {
        let database = try TestDatabase.migrated()
        let connection = try database.connect()
        func start(_ at: String) throws -> String {
            try connection.query("SELECT tapline.day_start($1::text::timestamptz)", [.text(at)]).text(0, 0)
        }
        #expect(try start("2026-05-06 05:59:59+00") == "2026-05-05 06:00:00+00")
        #expect(try start("2026-05-06 06:00:00+00") == "2026-05-06 06:00:00+00")
        try connection.execute(
            "INSERT INTO tapline.event (name, time_zone, day_start) VALUES ('E', 'Europe/Berlin', '02:30')")
        // 02:30 does not exist on that day: clocks change from 2 to 3.
        #expect(try start("2026-03-29 12:00:00+00") == "2026-03-29 01:30:00+00")
        // 02:30 occurs twice on that day, at 00:30 and 01:30 UTC.
        #expect(try start("2026-10-25 12:00:00+00") == "2026-10-25 01:30:00+00")
        #expect(try start("2026-10-25 00:45:00+00") == "2026-10-24 00:30:00+00")
        #expect(throws: PostgresError.self) {
            try connection.execute("UPDATE tapline.event SET time_zone = 'Mars/Olympus'")
        }
    }
}
