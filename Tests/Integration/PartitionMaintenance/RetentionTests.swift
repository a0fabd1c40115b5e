import PartitionMaintenance
import Postgres
import TestSupport
import Testing

/// Tests which partitions are dropped, and what stays.
@Suite struct RetentionTests {
    private let fixture: IngestFixture
    private let retention: Retention
    private var connection: PostgresConnection { fixture.connection }

    /// Journals of s-1 and s-2 in three partitions, 40, 30 and 0 days old, with 100 scans each. A row of presence refers to the
    /// first.
    init() throws {
        fixture = try IngestFixture()
        retention = Retention(fixture.connection)
        for (id, days) in [(1, 40), (2, 40), (2_000, 30), (2_001, 30), (4_000, 0), (4_001, 0)] {
            try fixture.connection.execute(
                """
                INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored, last_received_at)
                VALUES (\(id), gen_random_uuid(), 's-\(id % 2 + 1)', 100, 101, 100, 100, now() - interval '\(days) days')
                """)
            try ScanRows.insert(
                fixture.connection,
                """
                SELECT \(id), n, n % 40 + 1, now(), 0, 0, 1, 0, now() - interval '\(days) days'
                FROM generate_series(1, 100) n
                """)
        }
        try fixture.connection.execute(
            """
            SELECT setval('tapline.journals_id_seq', 4001);
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (7, now(), 1, 1, 1, 0);
            """)
    }

    private func drop(_ name: String, force: Bool = false) throws -> Int? {
        guard let partition = try retention.candidates(keepDays: 20).first(where: { $0.name == name }) else {
            return nil
        }
        return try retention.drop(partition, keepDays: 20, force: force)
    }

    private func obstacles() throws -> [Retention.Obstacle?] { try retention.candidates(keepDays: 20).map(\.obstacle) }

    private func partitions() throws -> [String] {
        try fixture.texts(
            """
            SELECT name || CASE WHEN retired_at IS NULL THEN '' ELSE ' retired' END FROM tapline_internal.scan_partitions p
            JOIN pg_inherits ON inhrelid = ('tapline_partitions.' || p.name)::regclass ORDER BY first_journal
            """)
    }

    @Test func oldPartitionIsDroppedAndItsJournalsStay() throws {
        #expect(try retention.candidates(keepDays: 41).isEmpty)
        #expect(try retention.candidates(keepDays: 35).map(\.name) == ["scan_runs_0_1999"])
        let old = try retention.candidates(keepDays: 20)
        #expect(old.map(\.name) == ["scan_runs_0_1999", "scan_runs_2000_3999"])
        #expect(old.map(\.scans) == [200, 200])
        #expect(try obstacles() == [nil, nil])
        #expect(try drop("scan_runs_0_1999") == 200)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 400)
        #expect(
            try fixture.texts(
                "SELECT id || ' ' || retired_seq || ' ' || (retired_at IS NOT NULL) FROM tapline.journals ORDER BY id")
                == ["1 100 true", "2 100 true", "2000 0 false", "2001 0 false", "4000 0 false", "4001 0 false"])
        #expect(try fixture.int("SELECT count(*) FROM tapline.ingest_balance WHERE NOT balanced") == 0)
        #expect(try fixture.texts("SELECT tag_id || ' ' || journal_id FROM tapline.presence") == ["7 1"])
        #expect(try partitions().first == "scan_runs_0_1999 retired")
        #expect(try retention.candidates(keepDays: 20).map(\.name) == ["scan_runs_2000_3999"])
        #expect(try retention.drop(old[0], keepDays: 20) == nil, "dropped already")
    }

    @Test func laneEventsAreDroppedWithTheirScans() throws {
        for journal in [1, 4_000] {
            try ScanRows.insert(
                connection,
                "SELECT \(journal), 100 + n, 0, now(), 127 + n, 2, 1, 0, now() FROM generate_series(1, 3) n")
        }
        let events = "SELECT concat_ws(' ', journal_id, seq, event) FROM tapline.lane_events ORDER BY journal_id, seq"
        #expect(try fixture.texts(events).count == 6)
        #expect(try drop("scan_runs_0_1999") != nil)
        #expect(try fixture.texts(events) == ["4000 101 opened", "4000 102 free", "4000 103 closed"])
    }

    /// Minutes up to the last batch of a dropped journal. Later ones are compared with the stored scans.
    @Test func countsByMinuteAreDroppedWithTheirScans() throws {
        try connection.execute(
            """
            CREATE TEMP TABLE minutes AS SELECT date_trunc('minute', now()) - n * interval '1 day' AS slot
                FROM unnest(ARRAY[45, 40, 39, 33, 25, 0]) n;
            INSERT INTO tapline_internal.gate_flow (gate_id, slot, passed_in) SELECT 1, slot, 5 FROM minutes;
            INSERT INTO tapline_internal.refusal_flow (gate_id, slot, verdict, refused) SELECT 1, slot, 3, 5 FROM minutes;
            """)
        func days(_ relation: String) throws -> [String] {
            try fixture.texts(
                "SELECT extract(day FROM now() - slot)::text FROM tapline_internal.\(relation) ORDER BY slot")
        }
        #expect(try drop("scan_runs_0_1999") != nil)
        for relation in ["gate_flow", "refusal_flow"] { #expect(try days(relation) == ["39", "33", "25", "0"]) }
        #expect(try drop("scan_runs_2000_3999") != nil)
        for relation in ["gate_flow", "refusal_flow"] { #expect(try days(relation) == ["25", "0"]) }
        // A dropped journal with a new batch: the age of the counts limits.
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() WHERE id = 1")
        try connection.execute(
            "UPDATE tapline.journals SET last_received_at = now() - interval '22 days' WHERE id >= 4000")
        #expect(try drop("scan_runs_4000_5999") == nil, "its ids are not used up")
        try connection.execute("SELECT setval('tapline.journals_id_seq', 6001)")
        #expect(try drop("scan_runs_4000_5999") != nil)
        for relation in ["gate_flow", "refusal_flow"] { #expect(try days(relation) == ["0"]) }
    }

    @Test func lateScansAreStoredAndEmptyNeighboursAreMerged() throws {
        #expect(try drop("scan_runs_0_1999") == 200)
        #expect(try drop("scan_runs_2000_3999") == 200)
        #expect(try partitions().prefix(2) == ["scan_runs_0_3999 retired", "scan_runs_4000_5999"])
        try ScanRows.insert(connection, "VALUES (2000, 101, 7, now(), 0, 0, 1, 0, now())")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(7) WHERE journal_id = 2000") == 1)
        // A partition that is used is not merged.
        try connection.execute(
            """
            UPDATE tapline.journals SET last_received_at = now() - interval '25 days';
            INSERT INTO tapline.journals (id, log, scanner_id) VALUES (6000, gen_random_uuid(), 's-1'), (6001, gen_random_uuid(), 's-2');
            SELECT setval('tapline.journals_id_seq', 6001);
            """)
        #expect(try drop("scan_runs_4000_5999") == 200)
        #expect(
            try partitions().prefix(3) == [
                "scan_runs_0_3999 retired", "scan_runs_4000_5999 retired", "scan_runs_6000_7999",
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 1)
    }

    @Test func obstaclesPreventADropUnlessForced() throws {
        try connection.execute(
            """
            UPDATE tapline.journals SET last_seq = 103, next_seq = 101, stored = 101, received = 101 WHERE id = 1;
            INSERT INTO tapline_internal.journal_gaps VALUES (1, 101, 102);
            INSERT INTO tapline.journals (id, log, scanner_id, backlog, last_received_at)
                VALUES (2002, gen_random_uuid(), 's-3', 5, now() - interval '30 days');
            """)
        #expect(try obstacles() == [.openGaps(1), .backlog(scans: 5)])
        #expect(Retention.Obstacle.backlog(scans: 5).description == "scanners still hold 5 scans")
        #expect(Retention.Obstacle.unfinishedJournals(1).description == "1 journals are not finished")
        #expect(try drop("scan_runs_0_1999") == nil)
        #expect(try drop("scan_runs_2000_3999") == nil)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 600)
        try connection.execute("SELECT tapline.accept_gap(1, 101, 102)")
        try connection.execute("UPDATE tapline.journals SET announced_seq = 120 WHERE id = 2")
        #expect(try obstacles().first == .openGaps(1))
        try connection.execute("SELECT tapline.accept_gap(2, 101, 120)")
        try connection.execute("UPDATE tapline.journals SET backlog = 0")
        #expect(try obstacles() == [nil, nil])
        let patient = Retention(connection, silentJournalHours: 24 * 31)
        #expect(try patient.candidates(keepDays: 20).map(\.obstacle) == [nil, .unfinishedJournals(1)])
        try connection.execute("UPDATE tapline.journals SET backlog = 5 WHERE id = 2002")
        #expect(try drop("scan_runs_2000_3999", force: true) == 200)
    }

    @Test func partitionWithANewBatchIsKept() throws {
        let old = try #require(try retention.candidates(keepDays: 20).first)
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() WHERE id = 1")
        #expect(try retention.drop(old, keepDays: 20, force: true) == nil)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 600)
    }

    @Test func dropDoesNotWaitForReadersOrWriters() throws {
        let reader = try fixture.database.connect()
        for busy in ["SELECT count(*) FROM tapline.scans", "SELECT FROM tapline.journals WHERE id = 2 FOR UPDATE"] {
            try reader.execute("BEGIN")
            try reader.execute(busy)
            #expect(try drop("scan_runs_0_1999") == nil)
            #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 600)
            #expect(try fixture.int("SELECT count(*) FROM tapline.journals WHERE retired_seq > 0") == 0)
            try reader.execute("ROLLBACK")
        }
        #expect(try drop("scan_runs_0_1999") == 200)
    }

    @Test func commandListsDropsAndReportsObstacles() throws {
        try connection.execute("UPDATE tapline.journals SET announced_seq = 120 WHERE id = 2000")
        func run(_ more: String...) throws -> Run {
            try Run.it("tapline-center", ["retention", "--database-url", fixture.database.url] + more)
        }
        #expect(try run().end == .exit(78))
        #expect(try run("--keep-days", "0").end == .exit(78))
        #expect(try run("--keep-days", "50").lines == ["nothing is older than 50 days"])
        let dry = try run("--keep-days", "20", "--dry-run")
        #expect(dry.end == .exit(0))
        #expect(
            dry.lines == [
                "scan_runs_0_1999: 200 scans, 0 MB, would be dropped",
                "scan_runs_2000_3999: 200 scans, 0 MB, kept: 1 gaps are open: see tapline.seq_gaps and tapline.accept_gap",
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 600)
        #expect(try run("--keep-days", "20").lines.first == "scan_runs_0_1999: 200 scans, 0 MB, dropped")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 400)
        #expect(
            try run("--keep-days", "20", "--force").lines == [
                "scan_runs_2000_3999: 200 scans, 0 MB, dropped; --force overrides: 1 gaps are open: see tapline.seq_gaps "
                    + "and tapline.accept_gap"
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 200)
    }
}
