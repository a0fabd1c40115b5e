import Postgres
import TestSupport
import Testing

/// Tests that each question about a span of time reads the partitions and the runs of that span, and no others.
@Suite struct PruningTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    /// Two journals in two partitions: the first of two days ago, the second of the last four hours. Each hour has 500
    /// scans, of which each tenth is refused. The event day began two hours ago.
    init() throws {
        fixture = try IngestFixture()
        try connection.execute(
            """
            SET max_parallel_workers_per_gather = 0;
            INSERT INTO tapline.event (name, time_zone, day_start) VALUES ('E', 'Etc/UTC',
                ((date_trunc('hour', now()) - interval '2 hours') AT TIME ZONE 'UTC')::time)
            """)
        for (journal, hours) in [(1, 48), (2_000, 4)] {
            try fixture.addJournal(journal)
            try ScanRows.insert(
                connection,
                """
                SELECT \(journal), n + 1, n % 40 + 1, at + n % 500 * interval '1 second',
                    CASE n % 10 WHEN 0 THEN 3 ELSE 0 END, 0, n / 500 % 2 + 1, 5, at + interval '501 seconds'
                FROM generate_series(0, 1999) n, LATERAL (SELECT date_trunc('hour', now())
                    - \(hours) * interval '1 hour' + n / 500 * interval '1 hour') AS hour(at)
                """)
            try connection.execute(
                """
                UPDATE tapline.journals SET last_received_at = now() - (\(hours) - 4) * interval '1 hour'
                WHERE id = \(journal)
                """)
        }
        try connection.execute("ANALYZE tapline_internal.scan_runs, tapline.journals")
    }

    @Test(
        arguments: [
            ("tapline.scans_today", 1_000),
            ("tapline.scans_between(tapline.day_start(), 'infinity')", 1_000),
            ("tapline.scans_received(tapline.day_start(), 'infinity')", 1_000),
            ("tapline.all_scans(tapline.day_start(), 'infinity')", 1_000),
            ("tapline.all_scans(tapline.day_start(), 'infinity') WHERE gate_id = 2", 500),
            ("tapline.placed_scans WHERE latest >= (SELECT tapline.day_start())", 1_000),
        ])
    func scansOfTheDayUnnestOnlyTheRunsOfTheDay(_ from: String, _ expected: Int) throws {
        let plan = try fixture.explain("SELECT * FROM \(from)")
        #expect(plan.unnested == expected, "\(plan.lines)")
        // A function in a filter is called for each scan: about 20 µs.
        #expect(!plan.lines.contains { $0.contains("day_start") }, "\(plan.lines)")
        if from.contains("today") || from.contains("all_scans") {
            let pruned = plan.lines.filter { $0.contains("scan_runs_0_1999") }
            #expect(!pruned.isEmpty && pruned.allSatisfy { $0.contains("never executed") }, "\(plan.lines)")
        }
    }

    /// The query that looks natural reads all scans. The comments of `scans` and `scans_today` name the fast one.
    @Test func plainConditionOnTheDayReadsAllScans() throws {
        let plan = try fixture.explain("SELECT * FROM tapline.scans WHERE scanned_at >= (SELECT tapline.day_start())")
        #expect(plan.unnested == 4_000, "\(plan.lines)")
        for relation in ["scans", "delegate_track"] {
            let comment = try fixture.texts("SELECT obj_description('tapline.\(relation)'::regclass)")[0]
            #expect(comment.contains(relation == "scans" ? "scans_today" : "site_track"), "\(comment)")
        }
    }

    @Test(
        arguments: [
            ("tapline.site_track(now() - interval '5 hours', 'infinity')", 2_000),
            ("tapline.gate_track('steps', now() - interval '5 hours', 'infinity')", 1_000),
            ("tapline.refusals(now() - interval '5 hours', 'infinity')", 200),
            ("tapline.refusals(tapline.day_start(), 'infinity')", 100),
        ])
    func functionReadsOnlyThePartitionOfItsSpan(_ from: String, _ expected: Int64) throws {
        // The first call plans.
        #expect(try fixture.int("SELECT count(*) FROM \(from)") == expected)
        #expect(try fixture.rowsRead("SELECT * FROM \(from)").keys.sorted() == ["scan_runs_2000_3999"])
        // An older span reads both: a journal of today may hold late scans.
        let old = from.replacing("now() - interval '5 hours'", with: "now() - interval '3 days'")
            .replacing("tapline.day_start()", with: "now() - interval '3 days'")
        #expect(try fixture.rowsRead("SELECT * FROM \(old)").count == 2)
    }

    @Test func conditionsBesideTheDayAreTestedFirst() throws {
        let plan = try fixture.texts(
            "EXPLAIN SELECT * FROM tapline.journals WHERE last_received_at >= tapline.day_start() AND backlog = 7")
        let filter = try #require(plan.first { $0.contains("Filter") })
        let (cheap, costly) = (filter.firstRange(of: "backlog"), filter.firstRange(of: "day_start"))
        #expect(try #require(cheap).lowerBound < #require(costly).lowerBound, "\(filter)")
    }
}
