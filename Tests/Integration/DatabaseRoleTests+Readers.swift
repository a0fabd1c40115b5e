import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Tests what people who read the database may see: everything, or everything without the names of people.
extension DatabaseRoleTests {
    /// Each view with rows, so that all of its functions run: as tapline_reader_names, and with a grant on that view
    /// alone. As tapline_reader each one is denied, or shows no planted name.
    @Test func everyViewIsUsableByReaders() throws {
        let fixture = try IngestFixture(usesRoles: true)
        let store = try fixture.store()
        var random = TestRandom(5)
        let now = SystemClock.nowMicroseconds()
        for journal in MadeJournal.tracked(&random) {
            _ = try store.store(journal.batches().map { $0.delivery(receivedMicros: now) })
        }
        var gappy = MadeJournal.admissions("s-2", count: 30)
        gappy.after = ScanBatch.After(journalID: .random(), lastSeq: 9)
        _ = try store.store([
            gappy.batch(1, 5).delivery(receivedMicros: now), gappy.batch(20, 5).delivery(receivedMicros: now),
            MadeJournal.admissions("s-off").batch(1, 5).delivery(receivedMicros: now),
        ])
        let tracking = try TrackingStore(fixture.connection)
        try tracking.catchUp()
        _ = try tracking.setVoid("s-3", sinceMicros: 0, untilMicros: nil, isVoid: true)
        _ = try store.store([MadeJournal.admissions("s-4").batch(1, 5).delivery(receivedMicros: now)])
        try fixture.connection.execute(
            """
            INSERT INTO tapline.event (name) VALUES ('Fair');
            UPDATE tapline.attendees SET name = 'planted-name ' || id, external_ref = 'planted-ref ' || id,
                category = 'kind ' || id % 2;
            INSERT INTO tapline_internal.scan_notes (journal_id, seq, note)
                SELECT journal_id, min(seq), 'planted-note' FROM tapline.scans WHERE verdict = 0 GROUP BY 1
                ON CONFLICT DO NOTHING;
            INSERT INTO tapline_internal.broker_check DEFAULT VALUES;
            INSERT INTO tapline_internal.broker_warning VALUES ('q', 'w');
            """)
        let relations = try fixture.texts(
            """
            SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'tapline'::regnamespace AND c.relkind IN ('r', 'v', 'p') ORDER BY c.relname
            """)
        #expect(relations.count > 25)
        let user = "view-\(fixture.database.name)"
        try fixture.database.query("CREATE ROLE \"\(user)\"; GRANT USAGE ON SCHEMA tapline TO \"\(user)\"")
        defer { _ = try? fixture.database.query("DROP OWNED BY \"\(user)\"; DROP ROLE \"\(user)\"") }
        let reader = try PostgresConnection(
            url: fixture.database.url(as: "tapline_reader_names"), applicationName: "t")
        let single = try PostgresConnection(url: fixture.database.url(as: user), applicationName: "t")
        for relation in relations {
            #expect(throws: Never.self, "\(relation)") { try reader.query("SELECT * FROM tapline.\(relation)") }
            try fixture.database.query("GRANT SELECT ON tapline.\(relation) TO \"\(user)\"")
            #expect(throws: Never.self, "\(relation) alone") {
                try single.query("SELECT * FROM tapline.\(relation)")
            }
            try fixture.database.query("REVOKE SELECT ON tapline.\(relation) FROM \"\(user)\"")
        }
        let functions = try Self.functions(fixture)
        for function in functions {
            #expect(throws: Never.self, "\(function)") { try reader.query("SELECT * FROM \(function)") }
        }
        try checkWithoutNames(fixture, relations.map { "tapline.\($0)" } + functions)
    }

    /// A call of each function of the public schema, with arguments that find the planted names. `accept_gap` changes
    /// the journals, so readers lack its rights.
    private static func functions(_ fixture: IngestFixture) throws -> [String] {
        try fixture.texts(
            """
            SELECT format('tapline.%I(%s)', f.proname, (
                SELECT string_agg(CASE WHEN f.proname = 'find_attendees' AND type = 'text'::regtype THEN '''planted'''
                    WHEN type IN ('bigint'::regtype, 'integer'::regtype) THEN '2'
                    WHEN type = 'smallint'::regtype THEN '0::smallint' WHEN type = 'text'::regtype THEN '''door'''
                    WHEN type = 'interval'::regtype THEN '''1 hour'''
                    WHEN type = 'date'::regtype THEN 'current_date'
                    WHEN type = 'timestamptz'::regtype AND f.proname IN ('day_start', 'day_end') THEN 'now()'
                    WHEN type = 'timestamptz'::regtype AND place < f.pronargs THEN '''2000-01-01''::timestamptz'
                    WHEN type = 'timestamptz'::regtype THEN '''2100-01-01''::timestamptz' END, ', ' ORDER BY place)
                FROM unnest(f.proargtypes::oid[]) WITH ORDINALITY AS argument(type, place)))
            FROM pg_proc f WHERE f.pronamespace = 'tapline'::regnamespace AND f.proname <> 'accept_gap' ORDER BY 1
            """)
    }

    /// Reads all columns of all relations and functions as `tapline_reader`. What is listed may be read, and shows no
    /// planted name; all else is denied.
    private func checkWithoutNames(_ fixture: IngestFixture, _ objects: [String]) throws {
        func name(_ object: String) -> String {
            String(object.prefix { $0 != "(" }.split(separator: ".").last ?? "")
        }
        let listed = Set(try fixture.texts("SELECT name FROM tapline_internal.objects_without_names"))
        #expect(listed.subtracting(objects.map(name)) == ["accept_gap"])
        let reader = try PostgresConnection(url: fixture.database.url(as: "tapline_reader"), applicationName: "t")
        let names = try PostgresConnection(url: fixture.database.url(as: "tapline_reader_names"), applicationName: "t")
        func texts(_ connection: PostgresConnection, _ object: String) throws -> [String] {
            let rows = try connection.query("SELECT r::text FROM \(object) AS r")
            return (0..<rows.rowCount).map { rows.text($0, 0) }
        }
        for object in objects {
            if listed.contains(name(object)) {
                #expect(throws: Never.self, "\(object)") {
                    let read = try texts(reader, object)
                    #expect(!read.contains { $0.contains("planted-") }, "\(object)")
                }
            } else {
                let denied = #expect(throws: PostgresError.self, "\(object)") { try texts(reader, object) }
                #expect(denied?.sqlState == "42501", "\(object)")
            }
        }
        // The planted names are there to be found.
        for object in objects
        where ["attendees", "delegate_track", "find_attendees", "lane_events", "live_delegates"].contains(name(object))
        {
            #expect(!listed.contains(name(object)))
            #expect(try texts(names, object).contains { $0.contains("planted-") }, "\(object)")
        }
    }
}
