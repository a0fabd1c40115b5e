import FileSystem
import LinuxSystem
import Postgres
import RegistrationLists
import Registry
import Runtime
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import PartitionMaintenance
@testable import SnapshotExport

/// Tests that an erased name is in no table and in no snapshot, and that scans and counts stay.
@Suite struct ErasureTests {
    private let folder = TemporaryFolder("erasure")

    private func run(_ database: TestDatabase, _ arguments: String...) throws -> Run {
        try Run.it("tapline-center", arguments + ["--database-url", database.url])
    }

    @Test func erasedPersonIsInNoTableAndNoSnapshot() throws {
        let fair = try ExportFixture()
        try fair.connection.execute(
            """
            UPDATE tapline.attendees SET name = 'Ada Secret', category = 'Erasable', external_ref = 'REF-ERASE' WHERE id = 1;
            UPDATE tapline.passes SET name = 'two' WHERE id = 2;
            INSERT INTO tapline.journals (id, log, scanner_id) VALUES (1, gen_random_uuid(), 'a');
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (-9223372036854775808, now(), 1, 1, 1, 0);
            """)
        try ScanRows.insert(fair.connection, "VALUES (1, 1, -9223372036854775808, now(), 0, 0, 1, 5, now())")
        let before = try fair.open(fair.export())
        #expect(try before.count() == 9 && before.attendee(TagID(rawValue: 12)) != nil)
        let inside = try fair.rows("SELECT name, inside FROM tapline.live_zones ORDER BY 1")

        let asked = try run(fair.database, "attendee", "erase", "secret")
        #expect(asked.end == .exit(1) && asked.errors.contains("Ada Secret (REF-ERASE)"), "\(asked.errors)")
        #expect(try fair.rows("SELECT name FROM tapline.attendees WHERE id = 1") == ["Ada Secret"])
        let erased = try run(fair.database, "attendee", "erase", "secret", "--confirm")
        #expect(erased.end == .exit(0) && erased.lines == ["the names of attendee 1 are erased"], "\(erased.errors)")
        let again = try run(fair.database, "attendee", "erase", "--id", "1", "--confirm")
        #expect(again.lines == ["the names of attendee 1 were erased before; nothing was changed"])

        let dump = try Run.it("pg_dump", ["--data-only", "--inserts", fair.database.url])
        #expect(dump.end == .exit(0) && dump.lines.count > 50, "\(dump.errors)")
        for text in ["secret", "erasable", "ref-erase"] {
            #expect(!dump.lines.contains { $0.lowercased().contains(text) }, "\(text)")
        }
        fair.settings.allowShrink = true
        let after = try fair.open(fair.export())
        #expect(try after.count() == 6)
        for tag in [Int64.min, 12, .max] { #expect(try after.attendee(TagID(rawValue: tag)) == nil) }
        #expect(try after.attendee(TagID(rawValue: 41)) != nil)
        #expect(try fair.rows("SELECT count(*) FROM tapline.scans") == ["1"])
        #expect(try fair.rows("SELECT name, inside FROM tapline.live_zones ORDER BY 1") == inside)
        #expect(inside.contains("site|1"))
        let found = try run(fair.database, "attendee", "find", "12")
        #expect(found.lines.last?.contains("(erased)") == true, "\(found.lines)")
        #expect(try run(fair.database, "export", "--out", folder.file("list.csv")).end == .exit(0))
        #expect(try !Files.readText(folder.file("list.csv")).contains("-9223372036854775808"))
    }

    /// A list that still has the person does not bring the name back unseen.
    @Test func listWithTheTagOfAnErasedPersonIsRejected() throws {
        let fixture = try RegistryFixture()
        let list = "name,tag_id,zones\nAnn,17,Hall\nBen,18,Hall\n"
        try fixture.import(list)
        let id = try fixture.registry.chooseAttendee("ann").attendee.id
        #expect(try fixture.registry.erase(id))
        let problems = try fixture.refused(list)
        #expect(problems.count == 1 && problems[0].contains("a person whose names were erased"), "\(problems)")
        #expect(try fixture.rows("SELECT count(*) FROM tapline.attendees WHERE name = 'Ann'") == ["0"])
        #expect(throws: PostgresError.self) {
            try fixture.connection.execute(
                "UPDATE tapline.attendees SET name = 'Ann' WHERE names_erased_at IS NOT NULL")
        }
    }

    /// People 1 to 8 differ in listing, passage and access; 30 days are kept.
    private func makePeople(_ connection: PostgresConnection, lastScanDays: Int) throws {
        try connection.execute(
            """
            INSERT INTO tapline.zones (id, name) VALUES (1, 'Hall');
            INSERT INTO tapline.gates (id, name, zone_id) VALUES (1, 'Door', 1);
            INSERT INTO tapline.passes (id, name) VALUES (1, 'ended'), (2, 'later'), (3, 'open'), (4, 'half open');
            INSERT INTO tapline.access (pass_id, zone_id, valid_until) VALUES (1, 1, now() - interval '40 days'),
                (2, 1, now() + interval '1 day'), (3, 1, NULL), (4, 1, now() - interval '40 days'), (4, 1, NULL);
            INSERT INTO tapline.scanners (id) VALUES ('s-1');
            INSERT INTO tapline.journals (id, log, scanner_id, last_received_at)
                VALUES (1, gen_random_uuid(), 's-1', now() - interval '\(lastScanDays) days');
            INSERT INTO tapline.attendees (id, name, pass_id, listed_at) VALUES
                (1, 'ended', 1, now() - interval '90 days'), (2, 'ended, passed yesterday', 1, now() - interval '90 days'),
                (3, 'ended, listed now', 1, now()), (4, 'later', 2, now() - interval '90 days'),
                (5, 'open', 3, now() - interval '90 days'), (6, 'half open', 4, now() - interval '90 days'),
                (7, 'no pass', NULL, now() - interval '90 days'), (8, 'open, listed after', 3, now() - interval '32 days');
            INSERT INTO tapline.tags (tag_id, attendee_id) SELECT id, id FROM tapline.attendees;
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (2, now() - interval '1 day', 1, 1, 1, 0), (5, now() - interval '50 days', 1, 1, 1, 0);
            """)
    }

    @Test(
        arguments: [
            (2, [1]),  // the site is in use: only access that has ended
            (40, [1, 5, 6, 7]),  // quiet for 40 days; person 8 was listed after the last scan, for another event
        ])
    func namesAreErasedAfterTheirTime(_ lastScanDays: Int, _ expected: [Int]) throws {
        let fixture = try RegistryFixture()
        try makePeople(fixture.connection, lastScanDays: lastScanDays)
        let erasure = NameErasure(keepDays: 30, nowMs: 0)
        let stop = StopSignal()
        let connection = try fixture.database.connect()
        // An hour after the start, and not while the clocks differ.
        #expect(try erasure.step(connection, stop, nowMs: NameErasure.intervalMs - 1) == 0)
        let ahead: Int64 = SystemClock.nowMicroseconds() + 3_600_000_000
        #expect(try erasure.step(connection, stop, nowMs: NameErasure.intervalMs, centerMicros: { ahead }) == 0)
        #expect(try fixture.rows("SELECT count(names_erased_at) FROM tapline.attendees") == ["0"])
        #expect(try erasure.step(connection, stop, nowMs: 2 * NameErasure.intervalMs) == Int64(expected.count))
        #expect(
            try fixture.rows(
                "SELECT id FROM tapline.attendees WHERE names_erased_at IS NOT NULL AND name = '' ORDER BY id")
                == expected.map(String.init))
        #expect(try erasure.step(connection, stop, nowMs: 3 * NameErasure.intervalMs) == 0)
    }
}
