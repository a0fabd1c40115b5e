import Ingest
import Postgres
import ScanBatchCodec
import TestSupport
import Testing
import Tracking

/// Tests that the queries of scans have the rows of a plain query over all scans.
@Suite struct ScanQueryTests {
    private let fixture: IngestFixture

    /// All scans by their definition: annulments by the following scan of the tag, void scans by their view.
    private static let plain = """
        SELECT s.time, g.name AS gate, z.name AS zone, CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
            s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
            s.verdict = 0 AND s.flags & 16 = 0 AND s.tag_id <> 0 AND x.seq IS NULL AND v.seq IS NULL AS counts,
            t.attendee_id, a.name, a.category, a.external_ref, nullif(s.tag_id, 0) AS tag_id, j.scanner_id, s.flags,
            x.seq IS NOT NULL AS is_annulled, v.seq IS NOT NULL AS is_void, s.scanned_at, s.received_at,
            s.snapshot_version, s.gate_id, z.id AS zone_id, j.log, s.journal_id, s.seq
        FROM (SELECT *, CASE WHEN p.placed_at IS NOT NULL AND flags & 4 <> 0 THEN p.placed_at
                    ELSE least(scanned_at, received_at) END AS time
                FROM tapline.scans LEFT JOIN tapline_internal.scan_times p USING (journal_id, seq)) s
        JOIN tapline.journals j ON j.id = s.journal_id
        LEFT JOIN tapline_internal.annulled_expected x ON x.journal_id = s.journal_id AND x.seq = s.seq
        LEFT JOIN tapline.void_scans v ON v.journal_id = s.journal_id AND v.seq = s.seq
        LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
        LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
        LEFT JOIN tapline.gates g ON g.id = s.gate_id
        LEFT JOIN tapline.zones z ON z.id = CASE WHEN s.flags & 1 = 0 THEN g.zone_id ELSE g.from_zone_id END
        """

    init() throws {
        fixture = try IngestFixture()
        try fixture.connection.execute("CREATE VIEW tapline.plain AS \(Self.plain)")
    }

    private func expectEqual(_ rows: String, _ expected: String, ordered: Bool = false) throws {
        func texts(_ query: String) throws -> [String] {
            let result = try fixture.texts("SELECT r::text FROM (\(query)) r")
            return ordered ? result : result.sorted()
        }
        #expect(try texts(rows) == texts(expected), "\(rows)")
    }

    @Test(arguments: TestRandom.seeds(2, of: 4)) func rowsAreThoseOfThePlainQuery(_ seed: Int) throws {
        var random = TestRandom(seed)
        for journal in MadeJournal.tracked(&random) {
            for batch in journal.batches() { _ = try fixture.store().store([batch.delivery()]) }
        }
        let tracking = try TrackingStore(fixture.connection)
        try tracking.catchUp()
        if seed % 2 == 0 {
            _ = try tracking.setVoid("s-1", sinceMicros: IngestFixture.day, untilMicros: nil, isVoid: true)
            try fixture.joinRuns(&random)
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline.plain WHERE is_annulled") > 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.plain WHERE is_void") > 0 || seed % 2 == 1)
        let track =
            "time, gate, zone, direction, verdict, verdict_name, counts, attendee_id, name, external_ref, tag_id, "
            + "scanner_id, flags, log, seq"
        let ends = try fixture.texts("SELECT DISTINCT time FROM tapline.plain ORDER BY 1").map { "'\($0)'" }
        let spans = [
            ("'-infinity'", "'infinity'"), (ends[1], ends[ends.count - 2]), (ends[ends.count / 2], "'infinity'"),
            ("now()", "'infinity'"), (ends[3], ends[3]), ("'infinity'", "'-infinity'"),
        ]
        for (since, until) in spans {
            let span = "time >= \(since) AND time < \(until)"
            try expectEqual(
                "SELECT * FROM tapline.all_scans(\(since), \(until))", "SELECT * FROM tapline.plain WHERE \(span)")
            try expectEqual(
                "SELECT * FROM tapline.site_track(\(since), \(until))",
                "SELECT \(track) FROM tapline.plain WHERE \(span) AND verdict < 128 ORDER BY time, log, seq",
                ordered: true)
            try expectEqual(
                "SELECT * FROM tapline.gate_track('door', \(since), \(until))",
                """
                SELECT \(track.replacing("gate, ", with: "")) FROM tapline.plain
                WHERE \(span) AND verdict < 128 AND gate = 'door' ORDER BY time, log, seq
                """, ordered: true)
            try expectEqual(
                "SELECT * FROM tapline.refusals(\(since), \(until))",
                """
                SELECT time, gate, direction, verdict, verdict_name, attendee_id, name, category, external_ref, tag_id,
                    scanner_id, flags, snapshot_version, gate_id, log, journal_id, seq
                FROM tapline.plain WHERE \(span) AND verdict BETWEEN 1 AND 63 AND flags & 16 = 0 AND NOT is_void
                ORDER BY time, log, seq
                """, ordered: true)
        }
    }

    /// A run whose scans all have one verdict holds one byte for them.
    @Test(arguments: [0, 1, 9, 10, 63, 64, 128, 255]) func refusalsOfARunOfOneVerdictAreAll(_ verdict: Int) throws {
        try fixture.addJournal(1)
        try ScanRows.insert(
            fixture.connection,
            "SELECT 1, n, n, now() - interval '1 hour', \(verdict), 0, 1, 5, now() FROM generate_series(1, 40) n")
        let expected: Int64 = (1...63).contains(verdict) ? 40 : 0
        let refused = "SELECT count(DISTINCT tag_id) FROM tapline.refusals('-infinity', 'infinity')"
        #expect(try fixture.int(refused) == expected)
        #expect(try fixture.int("SELECT count(*) FROM tapline.refused_scans WHERE verdict = \(verdict)") == expected)
    }

    @Test func unknownGateIsNamedInTheError() throws {
        let error = #expect(throws: PostgresError.self) {
            try fixture.connection.query("SELECT * FROM tapline.gate_track('dor', now(), now())")
        }
        #expect("\(error!)".contains(#"there is no gate "dor""#))
    }

    @Test func trackNeverMergesNamesakes() throws {
        try fixture.connection.execute(
            "UPDATE tapline.attendees SET name = 'Anna Namesake', external_ref = 'R-' || id WHERE id IN (3, 4)")
        try fixture.addJournal(1)
        // Tags 5 to 8 in turn: two tags of each of both.
        try ScanRows.insert(
            fixture.connection,
            """
            SELECT 1, n, n % 4 + 5, now() - interval '1 hour' + n * interval '1 second', 0, 0, 1, 5, now()
            FROM generate_series(1, 40) n
            """)
        let rows = try fixture.texts(
            "SELECT attendee_id FROM tapline.delegate_track WHERE name = 'Anna Namesake'")
        #expect(rows == Array(repeating: "3", count: 20) + Array(repeating: "4", count: 20))
        let script = "\(Package.folder)/dashboards/delegate_track.sql"
        func show(_ delegate: String) throws -> Run {
            try Run.it("psql", ["-X", "-v", "delegate=\(delegate)", "-f", script, fixture.url])
        }
        let both = try show("Anna Namesake")
        #expect(both.end == .exit(0) && both.errors.isEmpty, "\(both.errors)")
        let isListed = ["R-3", "R-4"].allSatisfy { name in both.lines.contains { $0.contains(name) } }
        #expect(isListed, "\(both.lines)")
        #expect(!both.lines.contains { $0.contains("admitted") }, "\(both.lines)")
        let one = try show("R-3")
        #expect(one.lines.count { $0.contains("admitted") } == 20, "\(one.lines)")
    }
}
