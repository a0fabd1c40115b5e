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
                category = 'planted-category ' || id;
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
        for function in Self.functions where !function.hasPrefix("accept_gap") {
            #expect(throws: Never.self, "\(function)") { try reader.query("SELECT * FROM tapline.\(function)") }
        }
        try checkWithoutNames(fixture, relations)
    }

    /// A call of each function of the public schema, so that a new one is judged here.
    private static let functions = [
        "accept_gap(1, 2, 3)", "age_text('1 day')", "condition_place('ok')", "day_end(now())", "day_start()",
        "find_attendees('planted')", "person_day(2)", "person_now(2)", "scan_time(1, 1, 0::smallint, now(), now())",
        "scans_between('2026-01-01', now())", "scans_of(3)", "scans_received('2026-01-01', now())",
        "verdict_name(0::smallint)",
    ]

    /// Reads all columns of all relations and functions as `tapline_reader`.
    private func checkWithoutNames(_ fixture: IngestFixture, _ relations: [String]) throws {
        let known = try fixture.texts(
            "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'tapline'::regnamespace ORDER BY 1")
        #expect(Set(known) == Set(Self.functions.map { String($0.prefix { $0 != "(" }) }))
        let listed = Set(try fixture.texts("SELECT name FROM tapline_internal.objects_without_names"))
        #expect(listed.subtracting(relations).subtracting(known) == [])
        let reader = try PostgresConnection(url: fixture.database.url(as: "tapline_reader"), applicationName: "t")
        var denied: [String] = []
        for object in relations + Self.functions {
            do {
                let rows = try reader.query("SELECT r::text FROM tapline.\(object) AS r")
                let texts = (0..<rows.rowCount).map { rows.text($0, 0) }
                #expect(!texts.contains { $0.contains("planted-") }, "\(object)")
            } catch {
                // accept_gap may be called, and then lacks the right to read or to write.
                #expect(error.sqlState == "42501", "\(object): \(error)")
                denied.append(String(object.prefix { $0 != "(" }))
            }
        }
        #expect(
            denied == [
                "attendees", "delegate_track", "double_admissions", "lane_events", "live_delegates", "quarantine",
                "accept_gap", "find_attendees", "person_day", "person_now",
            ])
        // The planted names are there to be found.
        let names = try PostgresConnection(url: fixture.database.url(as: "tapline_reader_names"), applicationName: "t")
        for object in denied
        where !["accept_gap", "quarantine", "double_admissions", "person_now", "person_day"].contains(object) {
            let call = Self.functions.first { $0.hasPrefix(object + "(") } ?? object
            let rows = try names.query("SELECT r::text FROM tapline.\(call) AS r")
            #expect((0..<rows.rowCount).contains { rows.text($0, 0).contains("planted-") }, "\(object)")
        }
    }
}
