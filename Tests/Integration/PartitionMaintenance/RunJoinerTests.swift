import Postgres
import Runtime
import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests that small runs are joined, and that all scans stay as they are.
@Suite struct RunJoinerTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }
    private static let day = IngestFixture.day

    init() throws {
        fixture = try IngestFixture()
        try fixture.addJournal(1)
    }

    /// Stores a trickle: runs of equal size, which arrived one after the other. Verdicts, flags and delays vary.
    private func store(
        _ count: Int, from first: Int = 1, runScans: Int = 1, journal: Int64 = 1, gate: Int64? = 1,
        _ other: PostgresConnection? = nil
    ) throws {
        var random = TestRandom(first)
        let runs = stride(from: first, to: first + count, by: runScans).map { seq in
            let scans = 0..<Int32(min(runScans, first + count - seq))
            let at = Self.day + Int64(seq) * 1_000_000 + Int64.random(in: 0..<1_000, using: &random) * 1_000
            let verdicts = scans.map { _ in UInt8.random(in: 0..<20, using: &random) == 0 ? UInt8(3) : 0 }
            return StoredScans(
                journal: journal, scanner: "s-1", journalID: .random(), first: Int64(seq), baseMicros: at,
                atMs: scans.map { $0 * 700 }[...],
                tags: scans.map { _ in Int64.random(in: 1...5_000, using: &random) &* 0x9e37_79b9_7f4a_7c1 }[...],
                verdicts: verdicts[...], flags: verdicts[...], gate: gate, snapshot: 5,
                receivedMicros: at + Int64.random(in: -50_000..<900_000, using: &random), isBehind: false)
        }
        try ScanRunTable(other ?? connection).copy(runs, CopyBuffer())
    }

    /// Performs steps until all journals were read.
    private func joinAll(_ other: PostgresConnection? = nil) throws {
        let joiner = RunJoiner(other ?? connection, MaintenanceMetrics(Metrics()))
        var place = RunJoiner.Place()
        while try joiner.step(&place, StopSignal()) != RunJoiner.idleMs {}
    }

    private func fallSilent() throws {
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '61 minutes'")
    }

    private static let contents = "SELECT md5(string_agg(s::text, ',' ORDER BY journal_id, seq)) FROM tapline.scans s"

    private func runs() throws -> [String] {
        try fixture.texts(
            "SELECT first_seq || '-' || last_seq FROM tapline_internal.scan_runs ORDER BY journal_id, first_seq")
    }

    @Test func dayOfTrickleEndsBelow30BytesPerScan() throws {
        let count: Int64 = 86_400
        try store(Int(count))
        let before = try fixture.texts(Self.contents)
        try fallSilent()
        try joinAll()
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_runs") == (count + 493) / 494)
        #expect(try fixture.texts(Self.contents) == before)
        try fixture.fillFirstPartition()
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(try fixture.texts(Self.contents) == before)
        // The index by tag depends on the number of people, and is built for large runs too.
        let bytes = try fixture.int(
            """
            SELECT pg_total_relation_size('tapline_partitions.scan_runs_0_1999')
                - pg_relation_size('tapline_partitions.scan_runs_0_1999_tags')
            """)
        #expect(bytes < 30 * count, "\(bytes / count) bytes per scan")
    }

    @Test func runsOfAJournalThatGrowsAreJoinedWhenFull() throws {
        try store(1_000)
        let before = try fixture.texts(Self.contents)
        try joinAll()
        #expect(try runs().prefix(3) == ["1-494", "495-988", "989-989"])
        #expect(try runs().count == 14)
        // A newer journal of the scanner finishes it.
        try fixture.addJournal(2)
        try joinAll()
        #expect(try runs() == ["1-494", "495-988", "989-1000"])
        #expect(try fixture.texts(Self.contents) == before)
    }

    @Test func joiningStopsAtGapsGatesAndLargeRuns() throws {
        try store(10)
        try store(10, from: 12)
        try store(10, from: 22, gate: 2)
        try store(10, from: 32, gate: nil)
        try store(300, from: 42, runScans: 300, gate: nil)
        try store(20, from: 342, runScans: 7, gate: nil)
        let before = try fixture.texts(Self.contents)
        try fallSilent()
        try joinAll()
        #expect(try runs() == ["1-10", "12-21", "22-31", "32-41", "42-341", "342-361"])
        #expect(try fixture.texts(Self.contents) == before)
        let receipts = "SELECT count(*) FROM tapline_internal.scan_runs WHERE received_us IS NULL"
        #expect(try fixture.int(receipts) == 1)
        try joinAll()
        #expect(try fixture.texts(Self.contents) == before)
    }

    @Test(arguments: TestRandom.seeds(2, of: 6)) func anyRunsReadTheSameAfterJoining(_ seed: Int) throws {
        var random = TestRandom(seed)
        try fixture.addJournal(2, "s-2")
        for journal in [Int64(1), 2] {
            var seq = 1
            for _ in 0..<120 {
                let runScans = [1, 2, 40, 255, 256, 512].randomElement(using: &random)!
                let count = Int.random(in: 1...600, using: &random)
                try store(
                    count, from: seq, runScans: runScans, journal: journal,
                    gate: [1, 1, 1, 2, nil].randomElement(using: &random)!)
                seq += count + [0, 0, 0, 1].randomElement(using: &random)!
            }
        }
        let before = try fixture.texts(Self.contents)
        let small = try runs().count
        // The journal of s-1 still grows, that of s-2 does not.
        try connection.execute(
            "UPDATE tapline.journals SET last_received_at = now() - interval '61 minutes' WHERE id = 2")
        try joinAll()
        #expect(try fixture.texts(Self.contents) == before)
        try fallSilent()
        try joinAll()
        #expect(try fixture.texts(Self.contents) == before)
        let joined = try runs().count
        #expect(joined < small / 4)
        try joinAll()
        #expect(try runs().count == joined)
    }

    @Test func metricsCountJoinedAndSmallRuns() throws {
        try store(600)
        let metrics = Metrics()
        let joiner = RunJoiner(connection, MaintenanceMetrics(metrics))
        var place = RunJoiner.Place()
        while try joiner.step(&place, StopSignal()) != RunJoiner.idleMs {}
        let lines = metrics.render().split(separator: "\n").filter { $0.hasPrefix("tapline_growth_") }
        #expect(lines.contains("tapline_growth_runs_joined_total 494"))
        #expect(lines.contains("tapline_growth_small_runs 106"))
    }

    @Test func stoppedJoinerEndsWithoutWork() throws {
        try store(600)
        let stop = StopSignal()
        stop.stop()
        var place = RunJoiner.Place()
        _ = try RunJoiner(connection, MaintenanceMetrics(Metrics())).step(&place, stop)
        #expect(try runs().count == 600)
    }

    @Test func killedJoinerLosesNothing() throws {
        try store(1_000)
        try fallSilent()
        let before = try fixture.texts(Self.contents)
        try connection.execute(
            """
            CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
            CREATE TRIGGER die BEFORE INSERT ON tapline_internal.scan_runs FOR EACH ROW EXECUTE FUNCTION public.die();
            """)
        let killed = try fixture.database.connect()
        #expect(throws: PostgresError.self) { try joinAll(killed) }
        #expect(killed.isBroken)
        #expect(try runs().count == 1_000)
        #expect(try fixture.texts(Self.contents) == before)
        try connection.execute("DROP TRIGGER die ON tapline_internal.scan_runs")
        try joinAll()
        #expect(try runs().count == 3)
        #expect(try fixture.texts(Self.contents) == before)
    }

    /// Starts a joiner whose transaction waits after it has deleted the small runs.
    ///
    /// - Returns: the end of the joiner, after `pg_advisory_unlock(42)`.
    private func startHeldJoiner() throws -> Mailbox<Result<Int, any Error>> {
        try connection.execute(
            """
            CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END $$;
            CREATE TRIGGER hold BEFORE INSERT ON tapline_internal.scan_runs FOR EACH ROW
                WHEN (NEW.received_us IS NOT NULL) EXECUTE FUNCTION public.hold();
            SELECT pg_advisory_lock(42);
            """)
        let (url, ended) = (fixture.database.url, Mailbox<Result<Int, any Error>>(capacity: 1))
        NamedThread("joiner") {
            ended.send(
                Result {
                    let own = try PostgresConnection(url: url, applicationName: "joiner")
                    var place = RunJoiner.Place()
                    return try RunJoiner(own, MaintenanceMetrics(Metrics())).step(&place, StopSignal())
                })
        }
        let waiting = """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        try eventually("the joiner has deleted the small runs") { try fixture.int(waiting) == 1 }
        return ended
    }

    private func release(_ ended: Mailbox<Result<Int, any Error>>) throws {
        try connection.execute("SELECT pg_advisory_unlock(42)")
        _ = try #require(ended.receive(timeoutMs: waitLimitMs).first).get()
    }

    @Test func scansAreReadAndStoredWhileRunsAreJoined() throws {
        try store(600)
        try fallSilent()
        let before = try fixture.texts(Self.contents)
        let reader = try fixture.database.connect()
        func read() throws -> [String] { [try reader.query(Self.contents).text(0, 0)] }
        try reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        #expect(try read() == before)
        let ended = try startHeldJoiner()
        #expect(try read() == before)
        #expect(try fixture.texts(Self.contents) == before)
        // The next scans of the journal, and those of another one.
        let writer = try fixture.database.connect()
        try writer.execute(
            "SET lock_timeout = '2s'; BEGIN; UPDATE tapline.journals SET stored = 610, received = 610, last_seq = 610")
        try store(10, from: 601, runScans: 10, writer)
        try writer.execute("COMMIT")
        try release(ended)
        #expect(try read() == before)
        try reader.execute("COMMIT")
        #expect(try runs().prefix(2) == ["1-494", "495-600"])
        let held = "SELECT md5(string_agg(s::text, ',' ORDER BY journal_id, seq)) FROM tapline.scans s WHERE seq <= 600"
        #expect(try fixture.texts(held) == before)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 610)
    }

    @Test func secondJoinerWaitsAndChangesNothing() throws {
        try store(600)
        try fallSilent()
        let before = try fixture.texts(Self.contents)
        let ended = try startHeldJoiner()
        let results = Mailbox<Result<Int, any Error>>(capacity: 1)
        let url = fixture.database.url
        NamedThread("second") {
            results.send(
                Result {
                    let own = try PostgresConnection(url: url, applicationName: "second joiner")
                    var place = RunJoiner.Place()
                    return try RunJoiner(own, MaintenanceMetrics(Metrics())).step(&place, StopSignal())
                })
        }
        let waiting = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'second joiner' AND wait_event_type = 'Lock'
            """
        try eventually("the second joiner waits") { try fixture.int(waiting) == 1 }
        try release(ended)
        _ = try #require(results.receive(timeoutMs: waitLimitMs).first).get()
        #expect(try runs() == ["1-494", "495-600"])
        #expect(try fixture.texts(Self.contents) == before)
    }

    @Test func dropOfAPartitionDoesNotWaitForAJoiner() throws {
        try store(600)
        try fixture.fillFirstPartition()
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '30 days'")
        // A batch that arrived just now: without one, nothing is dropped.
        try fixture.addJournal(2_000, "s-2")
        let ended = try startHeldJoiner()
        let retention = Retention(try fixture.database.connect())
        let old = try #require(try retention.candidates(keepDays: 20).first)
        #expect(try retention.drop(old, keepDays: 20) == nil)
        try release(ended)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 600)
        #expect(try retention.drop(old, keepDays: 20) != nil)
    }
}
