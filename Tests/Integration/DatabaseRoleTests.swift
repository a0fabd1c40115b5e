import ErrorModel
import FileSystem
import Ingest
import LinuxSystem
import Migrations
import PartitionMaintenance
import Postgres
import ScanBatchCodec
import ScanModel
import Schema
import TestSupport
import Testing
import Tracking

/// Tests that each role works with exactly its grants (migrations/0019_roles.sql).
@Suite(.serialized) struct DatabaseRoleTests {
    private let folder = TemporaryFolder("roles")

    private func center(_ url: String, _ arguments: String...) throws -> Run {
        try Run.it("tapline-center", arguments + ["--database-url", url])
    }

    private func succeed(_ url: String, _ arguments: String..., at location: SourceLocation = #_sourceLocation) throws {
        try succeed(url, arguments, at: location)
    }

    private func succeed(_ url: String, _ arguments: [String], at location: SourceLocation = #_sourceLocation) throws {
        let run = try Run.it("tapline-center", arguments + ["--database-url", url])
        #expect(run.end == .exit(0), "\(arguments): \(run.errors)", sourceLocation: location)
    }

    // MARK: The center

    /// Stores everything that a batch can hold, and tracks it.
    @Test func centerStoresAndTracks() throws {
        let fixture = try IngestFixture(usesRoles: true)
        let store = try fixture.store()
        var random = TestRandom(3)
        var journal = MadeJournal.admissions(count: 30)
        journal.after = ScanBatch.After(journalID: .random(), lastSeq: 4)
        var forged = journal.batch(3, 4)
        forged.tags[1] += 1
        var noted = journal.batch(20, 5)
        noted.notes = [1: "band broken"]
        noted.flags[2] = Flags.clockNotTrusted.rawValue
        let deliveries =
            [
                journal.batch(1, 10).delivery(), forged.delivery(), noted.delivery(),
                MadeJournal.admissions("s-off").batch(1, 5).delivery(),
            ] + MadeJournal.tracked(&random).flatMap { $0.batches() }.map { $0.delivery() }
        for delivery in deliveries { _ = try store.store([delivery]) }
        try fixture.joinRuns(&random)
        try fixture.checkBooks()
        try fixture.checkPresence()
        let gap = try fixture.connection.query(
            "SELECT journal_id, first_seq, last_seq FROM tapline.seq_gaps WHERE kind = 'gap'")
        #expect(gap.rowCount > 0)
        try fixture.connection.execute(
            "SELECT tapline.accept_gap(\(gap.int(0, 0)), \(gap.int(0, 1)), \(gap.int(0, 2)))")
        let tracking = try TrackingStore(fixture.connection)
        #expect(try tracking.verify(repair: true).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        _ = try tracking.setVoid("s-1", sinceMicros: 0, untilMicros: nil, isVoid: true)
        try fixture.checkPresence()
    }

    /// The partitions belong to the role, so that it closes, rewrites and drops them.
    @Test func centerMaintainsPartitions() throws {
        let fixture = try IngestFixture(usesRoles: true)
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 2_000)
        // Many small runs, so that closing rewrites the partition.
        _ = try store.store((1...2_000).map { journal.batch($0, 1).delivery() })
        try fixture.database.query("SELECT setval('tapline.journals_id_seq', 1999)")
        try fixture.connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '40 days'")
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM pg_index WHERE indisvalid
                    AND indexrelid = to_regclass('tapline_partitions.scan_runs_0_1999_tags')
                """) == 1)
        // Retention needs a journal that was heard just now.
        try fixture.addJournal(2_000)
        try fixture.retirePartitions(keepDays: 30, silentJournalHours: 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 0)
        #expect(
            try fixture.int("SELECT count(*) FROM tapline_internal.scan_partitions WHERE retired_at IS NOT NULL") == 1)
        // A journal beyond all partitions needs a new one.
        try fixture.database.query("SELECT setval('tapline.journals_id_seq', 90000)")
        let late = MadeJournal.admissions()
        #expect(
            try store.store([late.batch(1, 10).delivery()]) == [.accepted(stored: 10, duplicates: 0, conflicts: 0)])
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                WHERE c.relkind = 'r' AND c.relname LIKE 'scan_runs_%' AND r.rolname <> 'tapline_center'
                """) == 0)
    }

    /// All commands, a running center, and an export of the snapshot, each as its role.
    @Test func allCommandsWorkAsTheirRoles() throws {
        let database = try TestDatabase.ownedByMigrator()
        let (owner, url) = (database.url(as: "tapline_migrate"), database.url(as: "tapline_center"))
        let migrated = try center(owner, "migrate")
        #expect(migrated.end == .exit(0) && migrated.lines.count == 1, "\(migrated.lines) \(migrated.errors)")
        try succeed(url, "migrate")
        let (key, list) = (folder.file("event.key"), folder.file("list.csv"))
        #expect(try Run.it("tapline-center", ["event", "key", "--out", key]).end == .exit(0))
        try succeed(url, "event", "set", "--name", "Fair", "--event-key-file", key)
        try Files.writeAtomically(
            Array("code,name,zones,external_ref\nA-1,Ann,Hall,R-1\nA-2,Ben,Hall,R-2\n".utf8), to: list)
        try succeed(url, "import", list, "--event-key-file", key, "--make-zones")
        try succeed(url, "import", list, "--event-key-file", key, "--void-missing")
        try succeed(url, "scanner", "add", "s-1", "--gate", "Door", "--zone", "Hall")
        try succeed(url, "zone", "add", "Stage", "--parent", "Hall")
        try succeed(url, "zone", "remove", "Stage")
        try succeed(url, "tag", "revoke", "--code", "A-2", "--event-key-file", key)
        try succeed(url, "export", "--out", folder.file("out.csv"))
        #expect(
            try Run.it("tapline-snapshot", ["keygen", "--out", folder.file("sign")]).end == .exit(0))
        let vhost = try TestVhost()
        let log = folder.file("log")
        let running = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", vhost.url, "--database-url", url, "--http", "127.0.0.1:0", "--snapshots",
                folder.file("published"), "--signing-key", folder.file("sign.key"), "--keep-days", "30",
            ], output: .null, errors: log)
        try eventually("the center runs and has published a snapshot") {
            try database.query("SELECT state FROM tapline.center_state") == ["running"]
                && database.number("SELECT count(*) FROM tapline.snapshots WHERE published_at IS NOT NULL") == 1
        }
        running.kill()
        #expect(!(try Files.readText(log)).contains("permission denied"))
        let journal = MadeJournal.admissions("s-9", count: 3)
        let store = try IngestStore(
            PostgresConnection(url: url, applicationName: "test"), relayUsers: [IngestFixture.relay])
        _ = try store.store([journal.batch(1, 3).delivery()])
        try succeed(url, "quarantine", "list")
        try succeed(url, "quarantine", "show", "1")
        try succeed(url, "scanner", "add", "s-9", "--gate", "Door")
        try succeed(url, "quarantine", "replay", "--all")
        try succeed(url, "tracking", "check")
        try succeed(url, "tracking", "rebuild")
        try succeed(url, "scanner", "void-scans", "s-9", "--since", "2026-01-01T00:00:00Z")
        try enrol("s-9", url)
        try succeed(url, "scanner", "remove", "s-9")
        try succeed(url, "scanner", "list")
        try succeed(url, "retention", "--keep-days", "1", "--force")
        #expect([.exit(0), .exit(1)].contains(try center(url, "status").end))
        let export = try Run.it(
            "tapline-snapshot",
            [
                "export", "--database-url", database.url(as: "tapline_export"), "--out", folder.file("exported"),
                "--signing-key", folder.file("sign.key"),
            ])
        #expect(export.end == .exit(0), "\(export.errors)")
        #expect(try database.number("SELECT count(*) FROM tapline.snapshots") == 2)
    }

    /// Makes an enrolment file and a token.
    private func enrol(_ id: String, _ url: String) throws {
        let devices = ["--scanner-amqp-url", "amqp://localhost", "--scanner-center-url", "https://localhost:8443"]
        try succeed(url, ["scanner", "add", id, "--enrolment-out", folder.file("devices")] + devices)
        #expect(try Run.it("tapline-center", ["ca", "init", "--out", folder.file("ca")]).end == .exit(0))
        #expect(try Run.it("tapline-center", ["ca", "issue", "localhost", "--ca", folder.file("ca")]).end == .exit(0))
        let certificate = folder.file("ca/localhost.pem")
        try succeed(url, ["scanner", "enrol", id, "--replace", "--http-certificate-file", certificate] + devices)
    }

    // MARK: The limits of the roles

    @Test func noRoleCanDoMore() throws {
        let fixture = try IngestFixture(usesRoles: true)
        func isDenied(_ role: String, _ sql: String) throws -> Bool {
            let connection = try PostgresConnection(
                url: fixture.database.url(as: role), applicationName: "test")
            return try #require(throws: PostgresError.self, "\(role): \(sql)") { try connection.execute(sql) }
                .sqlState == "42501"
        }
        for sql in [
            "DROP TABLE tapline.attendees", "ALTER TABLE tapline_internal.scan_runs ADD COLUMN x integer",
            "CREATE TABLE tapline.x ()", "CREATE FUNCTION tapline_internal.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DELETE FROM tapline.schema_migrations", "TRUNCATE tapline.tags", "DELETE FROM tapline.journals",
            "INSERT INTO tapline_internal.scan_partitions VALUES (70000, 72000, 'x')",
            "SELECT tapline_internal.grant_roles()",
        ] { #expect(try isDenied("tapline_center", sql), "\(sql)") }
        for sql in [
            "INSERT INTO tapline.tags VALUES (99, 1)", "DELETE FROM tapline.snapshots",
            "SELECT * FROM tapline.journals",
            "SELECT * FROM tapline.scans", "SELECT tapline_internal.make_scan_partition(80000, 82000)",
        ] { #expect(try isDenied("tapline_export", sql), "\(sql)") }
        for role in ["tapline_reader", "tapline_reader_names"] {
            for sql in [
                "SELECT * FROM tapline_internal.topology", "UPDATE tapline.scanners SET enabled = false",
                "SELECT tapline_internal.erase_attendees(ARRAY[1])", "UPDATE tapline.attendees SET name = 'x'",
            ] { #expect(try isDenied(role, sql), "\(sql)") }
        }
        // A right that the center gave would be granted by the next migration.
        #expect(
            try isDenied("tapline_center", "INSERT INTO tapline_internal.objects_without_names VALUES ('attendees')"))
    }

    /// The rights are checked when a daemon starts, and not when they are needed first.
    @Test func missingRightsAreNamedAtTheStart() throws {
        let database = try TestDatabase.migratedByMigrator()
        let user = "reader-\(database.name)"
        try database.query(
            """
            CREATE ROLE "\(user)";
            GRANT USAGE ON SCHEMA tapline, tapline_internal TO "\(user)";
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tapline, tapline_internal TO "\(user)";
            """)
        defer { _ = try? database.query("DROP OWNED BY \"\(user)\"; DROP ROLE \"\(user)\"") }
        // Rows alone may be written: half of the rights.
        let connection = try PostgresConnection(url: database.url(as: user), applicationName: "t")
        let half = try #require(throws: GrantsMissing.self) { try RoleGrants(connection).require(.center) }
        #expect(half.user == user && half.category == .configuration)
        #expect(half.missing.contains("EXECUTE on function tapline_internal.make_scan_partition(bigint,bigint)"))
        #expect(half.missing.contains { $0.hasPrefix("ownership of") })
        let run = try Run.it(
            "tapline-center",
            [
                "run", "--amqp-url", "amqp://user:secret@127.0.0.1:1/x", "--database-url", database.url(as: user),
                "--http", "127.0.0.1:0",
            ])
        #expect(run.end == .exit(78))
        #expect(run.errors.contains("lacks rights of the role tapline_center"))
        #expect(run.errors.contains("GRANT tapline_center TO"))
        try database.query("REVOKE USAGE ON SCHEMA tapline_internal FROM \"\(user)\"")
        let none = try #require(throws: GrantsMissing.self) { try RoleGrants(connection).require(.center) }
        #expect(none.missing == ["USAGE on schema tapline_internal"])
        try database.query("GRANT tapline_center TO \"\(user)\"")
        try RoleGrants(connection).require(.center)
    }

    /// A user who owns the database and may create no role gets the statements for an administrator.
    @Test func migrationWithoutTheRightToCreateRolesSaysWhatToDo() throws {
        let database = try TestDatabase()
        let user = "owner-\(database.name)"
        try database.query("CREATE ROLE \"\(user)\"; ALTER DATABASE \"\(database.name)\" OWNER TO \"\(user)\"")
        defer {
            _ = try? database.query(
                "REASSIGN OWNED BY \"\(user)\" TO CURRENT_USER; DROP OWNED BY \"\(user)\"; DROP ROLE \"\(user)\"")
        }
        _ = try TestDatabase.ownedByMigrator()  // the roles exist
        let run = try center(database.url(as: user), "migrate")
        #expect(run.end == .exit(0), "\(run.errors)")
        #expect(run.lines.contains("  GRANT tapline_center TO \"\(user)\";"))
        // The center works as the owner, with partitions of the owner.
        let connection = try PostgresConnection(url: database.url(as: user), applicationName: "t")
        try RoleGrants(connection).require(.center)
        try database.query("GRANT tapline_center TO \"\(user)\"")
        #expect(try center(database.url(as: user), "migrate").lines == ["the schema is up to date"])
        let others =
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'scan_runs_%9' AND relowner <> 'tapline_center'::regrole"
        #expect(try database.number(others) == 0)
        try database.query("REVOKE tapline_center FROM \"\(user)\"")
    }
}
