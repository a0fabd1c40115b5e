import Minisign
import Postgres
import SnapshotInstall
import Snapshots
import TestSupport

@testable import SnapshotExport

/// A database with a small event, and a folder for snapshots.
final class ExportFixture {
    let database: TestDatabase
    let connection: PostgresConnection
    let folder = TemporaryFolder("export")
    let key: MinisignSecretKey
    var settings: SnapshotExporter.Settings
    var out: String { settings.folder }
    var store: SnapshotStore { SnapshotStore(folder: folder.file("scanner")) }

    init(event: String? = "Fair") throws {
        database = try TestDatabase.migrated()
        connection = try database.connect()
        key = try MinisignSecretKey.generate()
        settings = SnapshotExporter.Settings(folder: folder.file("out"), key: key)
        settings.lockWaitMs = 300
        if let event {
            try connection.query(
                "INSERT INTO tapline.event (name, time_zone, day_start) VALUES ($1, 'Australia/Lord_Howe', '05:30')",
                [.text(event)])
        }
        try connection.execute(
            """
            INSERT INTO tapline.zones (id, name, parent_id) VALUES (1, 'site', NULL), (2, 'hall', 1);
            INSERT INTO tapline.gates (id, name, zone_id, from_zone_id, policy) VALUES
                (1, 'main', 1, NULL, '{}'), (2, 'door', 2, 1, '{"antipassback": "timed", "minutes": 20}');
            INSERT INTO tapline.scanners (id, gate_id, enabled) VALUES
                ('a', 1, true), ('spare', NULL, true), ('gone', 1, false);
            INSERT INTO tapline.passes (id, name, colour, note, reentry) VALUES
                (1, 'crew', 'red', 'all doors', 'free'), (2, NULL, NULL, NULL, 'gate');
            INSERT INTO tapline.access (pass_id, zone_id, valid_from, valid_until) VALUES
                (1, 1, NULL, NULL), (1, 2, '2026-11-23 10:00:00.5Z', 'infinity'),
                (2, 1, '-infinity', '2026-11-24 10:00Z');
            INSERT INTO tapline.attendees (id, name, status, pass_id) VALUES
                (1, 'Ada Secret', 'active', 1), (2, 'Bob', 'blocked', 2), (3, 'Cem', 'void', 2), (4, 'Dan', 'active', NULL);
            INSERT INTO tapline.tags (tag_id, attendee_id, status) VALUES
                (-9223372036854775808, 1, 'active'), (9223372036854775807, 1, 'lost'), (12, 1, 'void'),
                (21, 2, 'active'), (22, 2, 'lost'), (23, 2, 'void'), (31, 3, 'active'), (32, 3, 'lost'), (41, 4, 'active');
            """)
    }

    /// Returns a URL of the database in whose sessions `now()` is ahead by the seconds of `setDatabaseAhead`.
    func clockURL() throws -> String {
        try connection.execute(
            """
            CREATE SCHEMA ahead;
            CREATE TABLE ahead.clock AS SELECT 0 AS seconds;
            CREATE FUNCTION ahead.now() RETURNS timestamptz STABLE LANGUAGE sql
                AS $$ SELECT pg_catalog.now() + seconds * interval '1 second' FROM ahead.clock $$
            """)
        return database.url + "?options=-csearch_path%3Dahead%2Cpg_catalog"
    }

    /// Sets how far the clock of the database is ahead, in seconds.
    func setDatabaseAhead(_ seconds: Int64) throws {
        try connection.execute("UPDATE ahead.clock SET seconds = \(seconds)")
    }

    /// Exports to a folder that no scanner downloads from.
    func exportElsewhere() throws -> SnapshotExporter.Outcome {
        var settings = settings
        settings.folder = folder.file("stick")
        return try SnapshotExporter(databaseURL: database.url, settings).run()
    }

    func export() throws -> Manifest { try SnapshotExporter(databaseURL: database.url, settings).run().manifest }
    /// Returns the rows of a query by psql, columns joined by `|`.
    func rows(_ sql: String) throws -> [String] { try Psql.run(database.url, sql) }
    func check() throws -> Manifest { try PublicationCheck(path: out, keys: [key.publicKey]).manifest }
    func open(_ manifest: Manifest) throws -> Snapshot { try Snapshot(path: out + "/" + manifest.file) }
}
