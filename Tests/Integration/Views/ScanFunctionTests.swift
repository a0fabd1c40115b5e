import Postgres
import Runtime
import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests what a query over the scans reads: the runs that can hold its rows, and no others.
@Suite struct ScanFunctionTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws {
        fixture = try IngestFixture()
        try fixture.connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off; SET TimeZone = 'UTC'")
    }

    /// Three journals of 2,000 scans, in two partitions: each hour 500 scans, which arrive together.
    private func insertHours() throws {
        for (journal, gate) in [(1, 1), (2, 2), (2_000, 1)] {
            try fixture.addJournal(journal)
            try ScanRows.insert(
                connection,
                """
                SELECT \(journal), n + 1, n % 40 + 1, at + n % 500 * interval '1 second', 0, 0, \(gate), 5,
                    at + interval '501 seconds'
                FROM generate_series(0, 1999) n,
                    LATERAL (SELECT '2026-06-01'::timestamptz + n / 500 * interval '1 hour') AS hour(at)
                """)
        }
        try connection.execute("ANALYZE tapline_internal.scan_runs")
    }

    @Test(
        arguments: [
            ("tapline.scans WHERE journal_id = 2", 2_000),
            ("tapline.scans WHERE journal_id = 2 AND gate_id = 1", 0),
            ("tapline.scans WHERE gate_id = 2", 2_000),
            ("tapline.scans WHERE snapshot_version = 6", 0),
            ("tapline.scans WHERE received_at >= '2026-06-01 03:00Z'", 1_500),
            ("tapline.run_scans WHERE latest >= '2026-06-01 02:00Z' AND earliest < '2026-06-01 02:01Z'", 1_500),
            ("tapline.scans_between('2026-06-01 02:00Z', '2026-06-01 03:00Z')", 1_500),
            ("tapline.scans_between('2026-06-01 02:00Z', '2026-06-01 03:00Z') WHERE journal_id = 1", 500),
            ("tapline.scans_received('2026-06-01 02:00Z', '2026-06-01 03:00Z')", 1_500),
            ("tapline.run_scans WHERE has_lane_events", 0),
        ])
    func conditionIsAppliedBeforeRunsAreUnnested(_ from: String, _ expected: Int) throws {
        try insertHours()
        let plan = try fixture.explain("SELECT * FROM \(from)")
        #expect(plan.unnested == expected, "\(plan.lines)")
        if from.contains("journal_id = ") {
            #expect(!plan.lines.contains { $0.contains("scan_runs_2000_3999") })
        }
    }

    @Test func functionsReturnTheRowsOfThePlainView() throws {
        try insertHours()
        /// Conditions within a run, at its ends and outside of all runs.
        let spans = [
            ("2026-06-01 00:00:00Z", "2026-06-01 00:00:01Z"), ("2026-06-01 00:08:19Z", "2026-06-01 01:00:00Z"),
            ("2026-06-01 00:08:21Z", "2026-06-01 00:08:21.000001Z"), ("2026-06-01 01:02Z", "2026-06-01 02:03Z"),
            ("2026-05-01Z", "2026-07-01Z"), ("2026-06-02Z", "2026-06-01Z"),
        ]
        func check() throws {
            for (since, until) in spans {
                for (function, time) in [("scans_between", "scanned_at"), ("scans_received", "received_at")] {
                    let wrong = try fixture.int(
                        """
                        WITH plain AS (
                                SELECT * FROM tapline.scans WHERE \(time) >= '\(since)' AND \(time) < '\(until)'),
                            fast AS (SELECT * FROM tapline.\(function)('\(since)', '\(until)'))
                        SELECT (SELECT count(*) FROM (SELECT * FROM plain EXCEPT ALL SELECT * FROM fast) a)
                            + (SELECT count(*) FROM (SELECT * FROM fast EXCEPT ALL SELECT * FROM plain) b)
                        """)
                    #expect(wrong == 0, "\(function) \(since) \(until)")
                }
            }
            // Tag 0 is no tag.
            #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(0)") == 0)
            for tag in [1, 17, 40, 41] {
                let wrong = try fixture.int(
                    """
                    WITH plain AS (SELECT *, false, false FROM tapline.scans WHERE tag_id = \(tag)),
                        fast AS (SELECT * FROM tapline.scans_of(\(tag)))
                    SELECT (SELECT count(*) FROM (SELECT * FROM plain EXCEPT ALL SELECT * FROM fast) a)
                        + (SELECT count(*) FROM (SELECT * FROM fast EXCEPT ALL SELECT * FROM plain) b)
                    """)
                #expect(wrong == 0, "scans_of \(tag)")
            }
        }
        try check()
        // Runs whose scans did not arrive together.
        try ScanRows.insert(
            connection,
            """
            SELECT 1, n, CASE WHEN n = 2222 THEN 0 ELSE n % 40 + 1 END,
                '2026-06-01 02:00Z'::timestamptz + n * interval '1 second',
                CASE WHEN n = 2222 THEN 130 ELSE 0 END, 0, 1, 5,
                '2026-06-01 02:00Z'::timestamptz + n * interval '1.000001 second'
            FROM generate_series(2001, 2400) n
            """)
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '2 hours'")
        var place = RunJoiner.Place()
        _ = try RunJoiner(connection, MaintenanceMetrics(Metrics())).step(&place, StopSignal())
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_runs WHERE received_us IS NOT NULL") == 1)
        try check()
        try fixture.fillFirstPartition()
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        try check()
    }

    @Test func laneEventsAreReadByTheirReceipt() throws {
        for journal in [1, 2_000] {
            try fixture.addJournal(journal)
            // Runs of three scans, which arrived one after the other. Verdicts from 120 to 139.
            try ScanRows.insert(
                connection,
                """
                SELECT \(journal), n, n % 2, '2026-06-01 02:00Z'::timestamptz + n * interval '1 second',
                    CASE WHEN n % 10 = 0 THEN 120 + n / 10 % 20 ELSE 0 END, 2, 1, 5,
                    '2026-06-01 02:00Z'::timestamptz + n / 3 * interval '3.000001 seconds'
                FROM generate_series(1, 2400) n
                """)
        }
        try connection.execute(
            """
            INSERT INTO tapline_internal.scan_notes
            SELECT journal, seq, 'why' FROM unnest(ARRAY[1, 2000]) journal, generate_series(1, 2400, 35) seq
            """)
        func check() throws {
            for since in ["2026-06-01 01:00Z", "2026-06-01 02:20Z", "2026-06-01 03:00Z"] {
                let wrong = try fixture.int(
                    """
                    WITH plain AS (
                        SELECT s.journal_id, s.seq, nullif(s.tag_id, 0), s.verdict, s.flags, s.gate_id, s.received_at,
                            tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at), n.note
                        FROM tapline.scans s LEFT JOIN tapline_internal.scan_notes n USING (journal_id, seq)
                        WHERE (s.verdict BETWEEN 128 AND 134 OR s.verdict = 0 AND n.note <> '')
                            AND s.received_at >= '\(since)'),
                    shown AS (
                        SELECT journal_id, seq, tag_id, verdict, flags, gate_id, received_at, time, reason
                        FROM tapline.lane_events WHERE received_at >= '\(since)')
                    SELECT (SELECT count(*) FROM (SELECT * FROM plain EXCEPT ALL SELECT * FROM shown) a)
                        + (SELECT count(*) FROM (SELECT * FROM shown EXCEPT ALL SELECT * FROM plain) b)
                    """)
                #expect(wrong == 0, "\(since)")
            }
        }
        try check()
        #expect(try fixture.int("SELECT count(*) FROM tapline.lane_events WHERE verdict >= 128") == 2 * 84)
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '2 hours'")
        var place = RunJoiner.Place()
        let joiner = RunJoiner(connection, MaintenanceMetrics(Metrics()))
        while try joiner.step(&place, StopSignal()) != RunJoiner.idleMs {}
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_runs WHERE received_us IS NULL") == 0)
        try check()
        // No run is read, whatever the span.
        try connection.execute("ANALYZE tapline_internal.lane_event_log; SET enable_seqscan = off")
        let plan = try fixture.explain("SELECT * FROM tapline.lane_events WHERE received_at > '2026-06-01 02:39:50Z'")
        #expect(!plan.lines.contains { $0.contains("scan_runs") }, "\(plan.lines)")
        #expect(plan.lines.contains { $0.contains("lane_event_log_received") }, "\(plan.lines)")
        #expect(plan.blocks < 50, "\(plan.lines)")
    }

    @Test func limitsOfRunsAreTheSameInSQLAndSwift() throws {
        #expect(try fixture.int("SELECT tapline_internal.run_limit()") == Int64(ScanRun.scansLimit))
        let small = try fixture.texts(
            """
            SELECT pg_get_expr(indpred, indrelid) FROM pg_index
            WHERE indexrelid = 'tapline_internal.scan_runs_small'::regclass
            """)
        #expect(small == ["((last_seq - first_seq) < \(RunJoiner.smallLimit - 1))"])
        // A constant for the planner.
        let plan = try fixture.texts(
            """
            EXPLAIN SELECT FROM tapline_internal.scan_runs
            WHERE journal_id = 1 AND first_seq > 1000 - tapline_internal.run_limit() AND first_seq <= 1000
            """)
        #expect(plan.contains { $0.contains("first_seq > '\(1_000 - ScanRun.scansLimit)'") }, "\(plan)")
        // The constraint holds the limit.
        try fixture.addJournal(1)
        try ScanRows.insert(connection, "SELECT 1, n, 7, now(), 0, 0, 1, 0, now() FROM generate_series(1, 512) n")
        #expect(try fixture.int("SELECT max(last_seq - first_seq) FROM tapline_internal.scan_runs") == 511)
        let error = #expect(throws: PostgresError.self) {
            try connection.execute(
                "UPDATE tapline_internal.scan_runs SET last_seq = 513, tags = tags || 7::bigint, at_ms = at_ms || 0")
        }
        #expect(error?.sqlState == "23514")
    }

    @Test func readerRoleMayUseViewsAndFunctions() throws {
        try insertHours()
        try connection.execute("SET ROLE tapline_reader_names")
        for (from, count) in [
            ("tapline.scans", 6_000), ("tapline.run_scans", 6_000), ("tapline.scans_of(1)", 150),
            ("tapline.scans_between('2026-06-01 02:00Z', '2026-06-01 03:00Z')", 1_500),
            ("tapline.scans_received('2026-06-01 02:00Z', '2026-06-01 03:00Z')", 1_500), ("tapline.lane_events", 0),
        ] {
            #expect(try fixture.int("SELECT count(*) FROM \(from)") == count, "\(from)")
        }
    }

    @Test func trackOfOnePersonReadsFewBlocksOf2MillionScans() throws {
        let (journals, runs, scans) = (200, 20, 500)
        let person = Int64(0x5a5a_1234_7777_0f0f)
        var random = TestRandom(7)
        try connection.execute(
            """
            INSERT INTO tapline.journals (id, log, scanner_id, first_received_at, last_received_at)
                SELECT n, gen_random_uuid(), 's-1', now() - interval '3 hours', now() - interval '2 hours'
                FROM generate_series(1, \(journals)) n;
            INSERT INTO tapline.attendees (id, name) VALUES (21, 'one');
            INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (\(person), 21);
            """)
        let buffer = CopyBuffer()
        for journal in 1...journals {
            let stored = (0..<runs).map { run in
                var tags = (0..<scans).map { _ in Int64.random(in: 1 ... .max, using: &random) }
                if journal % 50 == 0, run == 9 { tags[250] = person }
                let at = IngestFixture.day + Int64(run) * 1_000_000_000
                return StoredScans(
                    journal: Int64(journal), scanner: "s-1", journalID: .random(), first: Int64(run * scans + 1),
                    baseMicros: at, atMs: (0..<Int32(scans)).map { $0 * 2_000 }[...], tags: tags[...],
                    verdicts: [UInt8](repeating: 0, count: scans)[...], flags: [UInt8](repeating: 0, count: scans)[...],
                    gate: 1, snapshot: 5, receivedMicros: at + 1_000_000_000, isBehind: false)
            }
            try ScanRunTable(connection).copy(stored, buffer)
        }
        try connection.execute("VACUUM (ANALYZE) tapline_partitions.scan_runs_0_1999")
        let all = try fixture.int("SELECT pg_table_size('tapline_partitions.scan_runs_0_1999') / 8192")
        #expect(all > 4_000)
        let track = "SELECT * FROM tapline.delegate_track WHERE attendee_id = 21"
        #expect(try connection.query(track).rowCount == 4)
        let open = try fixture.explain(track)
        #expect(open.blocks < all / 4, "\(open.lines)")
        try fixture.fillFirstPartition()
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(try connection.query(track).rowCount == 4)
        let closed = try fixture.explain(track)
        #expect(closed.blocks < 200, "\(closed.lines)")
    }
}
