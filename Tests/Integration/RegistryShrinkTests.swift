import CLI
import FileSystem
import LinuxSystem
import Postgres
import RegistrationLists
import Registry
import ScanModel
import TestSupport
import Testing

@testable import SnapshotExport

/// Removals, dry runs and concurrency of imports.
@Suite struct RegistryShrinkTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private func people(_ numbers: some Sequence<Int>, status: String = "") -> String {
        numbers.map { "\(String(0x10_00 + $0, radix: 16)),Person \($0),R-\($0)\(status)\n" }.joined()
    }

    private let header = "uid,name,external_ref\n"

    private func statuses() throws -> [String] {
        try world.rows("SELECT status, count(*) FROM tapline.attendees GROUP BY status ORDER BY status")
    }

    @Test func unlistedAttendeeBecomesVoidUntilListedAgain() throws {
        try world.import(header + people(1...20))
        try world.import("uid,name\naaaa,Manual\n")
        try world.connection.execute(
            """
            UPDATE tapline.attendees SET status = 'blocked' WHERE external_ref IN ('R-1', 'R-3');
            INSERT INTO tapline.attendees (name, external_ref) VALUES ('From a shop', 'pretix:A-1'), ('Another', 'eventbrite:7');
            """)
        let done = try world.import(header + people(3...20)) { $0.voidMissing = true }
        #expect(done.voided == 1 && done.changed == 0 && done.unchanged == 18)
        #expect(try statuses() == ["active|20", "blocked|2", "void|1"])
        #expect(try world.rows("SELECT external_ref FROM tapline.attendees WHERE status = 'void'") == ["R-2"])
        // No attendee to make void, so nothing is written.
        let picture = try world.picture()
        #expect(try world.import(header + people(3...20)) { $0.voidMissing = true }.voided == 0)
        #expect(try world.picture() == picture)
        // A list without a status column makes void attendees active only with `voidMissing`. Blocked attendees stay
        // blocked in both cases.
        try world.import(header + people(1...20))
        #expect(try statuses() == ["active|20", "blocked|2", "void|1"])
        let back = try world.import(header + people(1...20)) { $0.voidMissing = true }
        #expect(back.changed == 1 && back.voided == 0)
        #expect(try statuses() == ["active|21", "blocked|2"])
        let list = "uid,name,external_ref,status\n" + people(1...19, status: ",void") + people([20], status: ",blocked")
        try world.import(list) { $0.voidMissing = true }
        #expect(try statuses() == ["active|3", "blocked|1", "void|19"])
    }

    @Test func removalOfMoreThanTenPercentIsRejected() throws {
        try world.import(header + people(1...20))
        let picture = try world.picture()
        let refused = try world.failed(header + people(1...17)) { $0.voidMissing = true }
        #expect(refused.contains("3 of 20 active attendees void") && refused.contains("Nothing was stored"))
        #expect(try world.failed(header) { $0.voidMissing = true }.contains("20 of 20"))
        #expect(
            try world.failed(header + "bbbb,Person 1,R-1\ncccc,Person 2,R-2\ndddd,Person 3,R-3\n") {
                $0.replaceTags = true
            }.contains("3 of 3 tags"))
        #expect(try world.picture() == picture)
        #expect(try world.import(header + people(1...18)) { $0.voidMissing = true }.voided == 2)
        let all = try world.import(header) { ($0.voidMissing, $0.allowShrink) = (true, true) }
        #expect(all.voided == 18 && all.rows == 0)
        #expect(try statuses() == ["void|20"])
    }

    @Test func newTagIsAddedOrReplacesOldOnes() throws {
        try world.import(header + people(1...20))
        try world.import("uid,name\naaaa,Manual\n")
        let second = "uid,name,external_ref\nbbbb,Person 1,R-1\n"
        #expect(try world.import(second).tagsAdded == 1)
        let tags = "SELECT status, count(*) FROM tapline.tags GROUP BY status ORDER BY status"
        #expect(try world.rows(tags) == ["active|22"])
        let replaced = try world.import(second + people(2...20)) { $0.replaceTags = true }
        #expect(replaced.tagsLost == 1 && replaced.tagsAdded == 0)
        #expect(try world.rows("SELECT tag_id FROM tapline.tags WHERE status = 'lost'") == ["\(world.tag(0x10, 0x01))"])
        // A list does not make a lost tag active.
        #expect(try world.import(header + people(1...20)).tagsAdded == 0)
        #expect(try world.rows(tags) == ["active|21", "lost|1"])
        #expect(
            try world.failed("name,external_ref\nPerson 1,R-1\n") { $0.replaceTags = true }.contains(
                "no column of tags"))
    }

    @Test func dryRunReportsChangesAndStoresNothing() throws {
        try world.import(header + people(1...20))
        let picture = try world.picture()
        let csv =
            "uid,external_ref,name,zones\nbbbb,R-1,Person 1,Hall;Lobby\n1002,R-2,Person Two,\ncccc,R-99,New,Hall\n"
            + (3...19).map { "\(String(0x10_00 + $0, radix: 16)),R-\($0),Person \($0),\n" }.joined()
        let dry = try world.import(csv) { ($0.isDryRun, $0.voidMissing, $0.replaceTags) = (true, true, true) }
        #expect(try world.picture() == picture)
        #expect(dry.isDryRun && dry.added == 1 && dry.changed == 2 && dry.unchanged == 17 && dry.voided == 1)
        #expect(dry.tagsAdded == 2 && dry.tagsLost == 1 && dry.passesMade == 2 && dry.zonesMade == ["Hall", "Lobby"])
        #expect(
            try JSONOutput.line(dry)
                == #"{"attendees":{"added":1,"changed":2,"unchanged":17,"voided":1},"dry_run":true,"#
                + #""passes":{"changed":0,"made":2},"rows":20,"skipped":0,"#
                + #""tags":{"added":2,"lost":1,"restored":0},"uid_lengths":{"2":20},"#
                + #""warnings":["\#(dry.warnings[0])"],"zones_made":["Hall","Lobby"]}"#
        )
        #expect(
            dry.description.hasPrefix(
                "dry run, nothing stored: 20 rows; attendees: 1 added, 2 changed, 17 unchanged, 1 void"))
        var real = try world.import(csv) { ($0.voidMissing, $0.replaceTags) = (true, true) }
        real.isDryRun = true
        #expect(real == dry)
    }

    @Test func importWaitsForOtherImport() throws {
        let holder = try world.database.connect()
        // The lock of an import: see RegistryStore.importLock.
        try holder.execute("BEGIN; SELECT pg_advisory_xact_lock(\(0x5450_4C4E_0003 as Int64))")
        let url = world.database.url
        let path = try world.write(header + people(1...3))
        let identities = world.identities
        // A thread: the pool of Swift tasks can be occupied by other tests.
        let waiting = BackgroundTask("import") {
            let connection = try PostgresConnection(url: url, applicationName: "waiting-import")
            return try RegistryStore(connection).import(RegistrationCSV(path, identities))
        }
        let other = try world.database.connect()
        let isWaiting =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiting-import' AND wait_event = 'advisory'"
        try eventually("the import waits") { try other.query(isWaiting).int(0, 0) == 1 }
        #expect(try world.rows("SELECT count(*) FROM tapline.attendees") == ["0"])
        try holder.execute("COMMIT")
        #expect(try waiting.result().added == 3)
    }

    /// A commit can wait longer than the lock on the tables, for example behind ingestion.
    @Test func lockTimeoutDoesNotApplyToCommit() throws {
        try world.connection.execute(
            """
            CREATE TABLE noted (stage text, lock_timeout text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO noted VALUES (TG_NAME, current_setting('lock_timeout')); RETURN NULL; END $$;
            CREATE TRIGGER storing AFTER INSERT ON tapline.attendees FOR EACH ROW EXECUTE FUNCTION note();
            CREATE CONSTRAINT TRIGGER commit AFTER INSERT ON tapline.attendees
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note()
            """)
        try world.import(header + people([1]))
        #expect(try world.rows("SELECT * FROM noted ORDER BY stage") == ["commit|0", "storing|0"])
    }

    @Test func failedImportStoresNothing() throws {
        try world.import(header + people(1...3))
        let picture = try world.picture()
        // Reading fails: the file does not exist.
        let path = try world.write(header + people(4...9))
        try Files.remove(path)
        #expect(throws: SystemError.self) {
            try world.registry.import(RegistrationCSV(path, world.identities))
        }
        // Storing fails: a trigger rejects the tags.
        try world.connection.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON tapline.tags EXECUTE FUNCTION refuse()
            """)
        #expect(throws: PostgresError.self) { try world.import("uid,name,zones,external_ref\neeee,New,Hall,R-50\n") }
        #expect(try world.picture() == picture)
        #expect(!world.connection.isInTransaction)
    }
}
