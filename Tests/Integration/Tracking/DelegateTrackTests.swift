import Postgres
import TestSupport
import Testing

/// Tests that `delegate_track` has the rows of a plain query over all scans.
@Suite struct DelegateTrackTests {
    private let fixture: IngestFixture

    /// Joins all scans, with the annulments by their definition, because these scans are not tracked.
    private static let plain = """
        SELECT a.id AS attendee_id, a.name, a.external_ref,
            ((s.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date AS day,
            s.ordered_at AS time, g.name AS gate,
            CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,
            CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
            s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
            s.verdict = 0 AND s.flags & 16 <> 16 AND x.seq IS NULL AS counts,
            s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log,
            s.journal_id, s.seq, false AS is_void
        FROM (SELECT *, least(scanned_at, received_at) AS ordered_at FROM tapline.scans) s
        JOIN tapline.tags t ON t.tag_id = s.tag_id
        JOIN tapline.attendees a ON a.id = t.attendee_id
        JOIN tapline.journals j ON j.id = s.journal_id
        LEFT JOIN tapline_internal.annulled_expected x ON x.journal_id = s.journal_id AND x.seq = s.seq
        LEFT JOIN tapline.gates g ON g.id = s.gate_id
        LEFT JOIN tapline.zones z ON z.id = g.zone_id
        LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
        CROSS JOIN tapline.event e
        ORDER BY a.id, s.ordered_at, j.log, s.seq
        """

    init() throws {
        fixture = try IngestFixture()
        try fixture.connection.execute("CREATE VIEW tapline.plain_track AS \(Self.plain)")
    }

    /// Inserts journals in three partitions: annulments with and without an admission, inspections, overrides, device clocks
    /// ahead, equal times, lane events, unregistered tags.
    private func insertScans(_ random: inout TestRandom) throws {
        let fixture = fixture
        var rows: [String] = []
        for journal in [1, 2, 3, 1_999, 2_000, 3_000, 4_001] {
            try fixture.connection.execute(
                """
                INSERT INTO tapline.journals (id, log, scanner_id)
                VALUES (\(journal), gen_random_uuid(), 's-\(Int.random(in: 1...4, using: &random))')
                """)
            var tag = 1
            for seq in 1...Int.random(in: 50...300, using: &random) {
                if !Bool.random(using: &random) { tag = Int.random(in: 1...44, using: &random) }
                let verdict = [0, 0, 0, 0, 64, 64, 1, 3, 5, 133].randomElement(using: &random)!
                let flags = [0, 0, 1, 16, 17, 2, 32].randomElement(using: &random)!
                let gate = ["1", "2", "3", "99", "NULL"].randomElement(using: &random)!
                let (at, late) = (Int.random(in: 0...90, using: &random), Int.random(in: -30...30, using: &random))
                rows.append(
                    """
                    (\(journal), \(seq), \(verdict == 133 ? 0 : tag), '2026-06-01'::timestamptz + \(at) * interval '1 hour',
                    \(verdict), \(flags), \(gate), 5, '2026-06-01'::timestamptz + \(at + late) * interval '1 hour')
                    """)
            }
        }
        try ScanRows.insert(fixture.connection, "VALUES " + rows.joined(separator: ","))
        try fixture.connection.execute("INSERT INTO tapline.event (name, time_zone) VALUES ('E', 'Asia/Dubai')")
    }

    private func check() throws {
        let wrong = try fixture.int(
            """
            SELECT (SELECT count(*) FROM (SELECT * FROM tapline.delegate_track EXCEPT ALL SELECT * FROM tapline.plain_track) a)
                + (SELECT count(*) FROM (SELECT * FROM tapline.plain_track EXCEPT ALL SELECT * FROM tapline.delegate_track) b)
            """)
        #expect(wrong == 0)
        for condition in ["attendee_id = 7", "name = 'a7'", "external_ref = 'none'", "'a7' IN (name, external_ref)"] {
            func rows(_ view: String) throws -> [String] {
                try fixture.texts("SELECT t::text FROM tapline.\(view) t WHERE \(condition)")
            }
            #expect(try rows("delegate_track") == rows("plain_track"))
        }
    }

    @Test(arguments: TestRandom.seeds(1, of: 3)) func rowsAreThoseOfThePlainQuery(_ seed: Int) throws {
        var random = TestRandom(seed)
        try insertScans(&random)
        #expect(try fixture.int("SELECT count(*) FROM tapline.plain_track WHERE NOT counts AND verdict = 0") > 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.plain_track WHERE counts") > 0)
        try check()
        // Closes the first two partitions.
        try fixture.connection.execute("SELECT setval('tapline.journals_id_seq', 3999)")
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions().count == 2)
        try check()
    }
}
