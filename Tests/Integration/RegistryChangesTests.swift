import Postgres
import TestSupport
import Testing

@testable import SnapshotExport

/// Tests that a center sees each change of the registration list, and nothing else.
@Suite struct RegistryChangesTests {
    @Test func onlyChangesOfSnapshotContentAreSeen() throws {
        let fair = try ExportFixture()
        let changes = try RegistryChanges(databaseURL: fair.database.url)
        #expect(try changes.look(), "nothing is known of the time before")
        func isSeen(_ sql: String) throws -> Bool {
            try fair.connection.execute(sql)
            return try changes.look()
        }
        for sql in [
            "UPDATE tapline.attendees SET status = 'blocked' WHERE id = 1", "UPDATE tapline.attendees SET pass_id = 2",
            "UPDATE tapline.tags SET status = 'void' WHERE tag_id = 12", "DELETE FROM tapline.tags WHERE tag_id = 12",
            "INSERT INTO tapline.passes (name) VALUES ('new')",
            "UPDATE tapline.access SET valid_until = now() + '1 day'",
            "UPDATE tapline.zones SET name = 'court' WHERE id = 2",
            "UPDATE tapline.gates SET policy = '{\"minutes\": 3}'",
            "UPDATE tapline.scanners SET enabled = false WHERE id = 'a'",
            "UPDATE tapline.event SET day_start = '04:00'",
            "TRUNCATE tapline.tags CASCADE", "TRUNCATE tapline.zones CASCADE", "TRUNCATE tapline.event",
        ] { #expect(try isSeen(sql), "\(sql)") }
        for sql in [
            "UPDATE tapline.attendees SET name = 'Zoe', category = 'x'", "UPDATE tapline.zones SET capacity = 5",
            "BEGIN; DELETE FROM tapline.gates; ROLLBACK",
        ] { #expect(try !isSeen(sql), "\(sql)") }
    }

    /// A transaction that began earlier, and was committed later than another one, is seen as well.
    @Test func eachCommitIsSeenOnce() throws {
        let fair = try ExportFixture()
        let changes = try RegistryChanges(databaseURL: fair.database.url)
        _ = try changes.look()
        let slow = try fair.database.connect()
        try slow.execute("BEGIN; UPDATE tapline.tags SET status = 'void' WHERE tag_id = 12")
        try fair.connection.execute("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41")
        #expect(try changes.look())
        #expect(try !changes.look())
        try slow.execute("COMMIT")
        #expect(try changes.look())
        #expect(try !changes.look())
    }

    /// Everyone who may connect can notify. No center listens.
    @Test func notificationsCostNothing() throws {
        let fair = try ExportFixture()
        let changes = try RegistryChanges(databaseURL: fair.database.url)
        _ = try changes.look()
        for _ in 0..<50 { try fair.connection.execute("NOTIFY tapline_registry; NOTIFY tapline_registry, 'end'") }
        #expect(try !changes.look())
    }

    /// A dump restored into a new cluster holds transaction numbers that the cluster reaches much later.
    @Test func numbersOfAnotherClusterAreNoChanges() throws {
        let fair = try ExportFixture()
        try fair.connection.execute("INSERT INTO tapline_internal.registry_changes VALUES ('900000000000')")
        let changes = try RegistryChanges(databaseURL: fair.database.url)
        _ = try changes.look()
        #expect(try !changes.look())
        #expect(
            try fair.rows("SELECT count(*) FROM tapline_internal.registry_changes WHERE transaction = '900000000000'")
                == ["0"])
        try fair.connection.execute("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41")
        #expect(try changes.look())
    }

    @Test func recordOfChangesStaysSmall() throws {
        let fair = try ExportFixture()
        let changes = try RegistryChanges(databaseURL: fair.database.url)
        _ = try changes.look()
        try fair.connection.execute(
            """
            DO $$ BEGIN
                FOR step IN 1..1500 LOOP
                    UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41;
                    COMMIT;
                END LOOP;
            END $$
            """)
        let other = try RegistryChanges(databaseURL: fair.database.url)
        #expect(try other.look())
        #expect(try fair.rows("SELECT count(*) FROM tapline_internal.registry_changes") == ["1000"])
        // A center that looks later still sees that there were changes.
        #expect(try changes.look())
    }
}
