import Ingest
import Postgres
import Runtime
import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests that partitions are made ahead, rotated and closed.
@Suite struct PartitionMaintenanceTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws { fixture = try IngestFixture() }

    private func partitions() throws -> [String] {
        try fixture.texts(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'tapline_internal.scan_runs'::regclass ORDER BY 1"
        )
    }

    @Test func partitionsExistBeforeTheyAreNeeded() throws {
        #expect(try partitions() == ["scan_runs_0_1999", "scan_runs_2000_3999"])
        for id in [1, 1_999, 2_000, 123_456] {
            try fixture.addJournal(id)
            try ScanRows.insert(connection, "VALUES (\(id), 1, 7, now(), 0, 0, NULL, 0, now())")
        }
        let more = ["scan_runs_122000_123999", "scan_runs_124000_125999", "scan_runs_4000_5999"]
        #expect(try partitions() == (["scan_runs_0_1999"] + more + ["scan_runs_2000_3999"]).sorted())
        #expect(try partitions() == fixture.texts("SELECT name FROM tapline_internal.scan_partitions ORDER BY name"))
        // The center keeps one more, so the trigger makes none.
        try fixture.fillFirstPartition()
        try fixture.maintainPartitions()
        #expect(try partitions().contains("scan_runs_4000_5999"))
        try connection.execute("SELECT setval('tapline.journals_id_seq', 5000)")
        try fixture.maintainPartitions()
        #expect(try partitions().contains("scan_runs_8000_9999"))
    }

    @Test func newPartitionFitsBetweenIrregularNeighbours() throws {
        // Retention merges ranges, so neighbours need not start or end at a multiple of the span.
        try connection.execute(
            """
            SELECT tapline_internal.make_scan_partition(4000, 10500);
            SELECT tapline_internal.make_scan_partition(118500, 130000);
            """)
        for id in [7, 123_456, 10_550, 117_500, 129_999] {
            try fixture.addJournal(id)
            try ScanRows.insert(connection, "VALUES (\(id), 1, 5, now(), 0, 0, NULL, 0, now())")
        }
        let bounds = try fixture.texts(
            """
            SELECT concat_ws(' ', name, first_journal, end_journal)
            FROM tapline_internal.scan_partitions ORDER BY first_journal
            """)
        #expect(
            bounds == [
                "scan_runs_0_1999 0 2000", "scan_runs_2000_3999 2000 4000", "scan_runs_4000_10499 4000 10500",
                "scan_runs_10500_11999 10500 12000", "scan_runs_12000_13999 12000 14000",
                "scan_runs_116000_117999 116000 118000",
                "scan_runs_118000_118499 118000 118500", "scan_runs_118500_129999 118500 130000",
                "scan_runs_130000_131999 130000 132000",
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(5)") == 5)
    }

    @Test func twoCentersMakeOnePartitionWithoutBlockingACopy() async throws {
        let (first, second, writer) = (
            try fixture.database.connect(), try fixture.database.connect(), try fixture.database.connect()
        )
        // An open store transaction and an open reader.
        try fixture.addJournal(1)
        try writer.execute("BEGIN")
        try ScanRows.insert(writer, "VALUES (1, 1, 7, now(), 0, 0, NULL, 0, now())")
        try second.execute("BEGIN; SELECT count(*) FROM tapline.scans")
        try first.execute("SET lock_timeout = '2s'; BEGIN")
        #expect(try first.query("SELECT tapline_internal.ensure_scan_partition(50001)").int(0, 0) == 52_000)
        let url = fixture.database.url
        let results = Mailbox<Result<Int64, any Error>>(capacity: 1)
        NamedThread("second") {
            results.send(
                Result {
                    let other = try PostgresConnection(url: url, applicationName: "second center")
                    return try other.query("SELECT tapline_internal.ensure_scan_partition(50002)").int(0, 0)
                })
        }
        let waiting = """
            SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE application_name = 'second center' AND NOT granted AND datname = current_database()
            """
        try eventually("the second center waits") { try fixture.int(waiting) > 0 }
        try first.commit()
        #expect(try #require(results.receive(timeoutMs: waitLimitMs).first).get() == 52_000)
        try ScanRows.insert(writer, "VALUES (50001, 1, 7, now(), 0, 0, NULL, 0, now())")
        try writer.commit()
        #expect(try partitions().count { $0 == "scan_runs_50000_51999" } == 1)
    }

    @Test func newJournalsRotateFromAnOldPartition() throws {
        try fixture.addJournal(1)
        try connection.execute("SELECT setval('tapline.journals_id_seq', 1)")
        let rotate = "SELECT tapline_internal.rotate_scan_partition()::int"
        #expect(try fixture.int(rotate) == 0)
        let setAge = "UPDATE tapline.journals SET first_received_at = now() - interval"
        try connection.execute("\(setAge) '13 hours'")
        #expect(try fixture.int(rotate) == 0)
        try connection.execute(
            "UPDATE tapline.journals SET last_seq = 1000000, next_seq = 1000001, received = 1000000, stored = 1000000")
        try connection.execute("\(setAge) '11 hours'")
        #expect(try fixture.int(rotate) == 0)
        try connection.execute("\(setAge) '13 hours'")
        #expect(try fixture.int(rotate) == 1)
        #expect(try fixture.int(rotate) == 0)
        let next = "INSERT INTO tapline.journals (log, scanner_id) VALUES (gen_random_uuid(), 's-2') RETURNING id"
        #expect(try fixture.int(next) == 2_000)
        // With few scans a partition is used for a week, so a small event has few partitions.
        try connection.execute("\(setAge) '8 days' WHERE id = 2000")
        #expect(try fixture.int(rotate) == 1)
        #expect(try fixture.int(next) == 4_000)
    }

    @Test func partitionClosesWhenItsJournalsAreFinished() throws {
        try fixture.addJournal(1)
        try fixture.addJournal(2, "s-2")
        try ScanRows.insert(connection, "SELECT 1, n, n, now(), 0, 0, 1, 0, now() FROM generate_series(1, 500) n")
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == [], "its range is not full")
        try fixture.fillFirstPartition()
        try fixture.addJournal(2_000)
        try fixture.maintainPartitions()
        #expect(try fixture.closedPartitions() == [], "the journal of s-2 has no successor")
        let index = """
            SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('tapline_partitions.scan_runs_0_1999_tags')
            """
        #expect(try fixture.int(index) == 0)
        let options =
            "SELECT coalesce(array_to_string(reloptions, ','), '') FROM pg_class WHERE relname = 'scan_runs_0_1999'"
        #expect(try fixture.texts(options) == ["autovacuum_vacuum_insert_threshold=-1"])
        try fixture.addJournal(2_001, "s-2")
        try fixture.maintainPartitions()
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(try fixture.int(index) == 1)
        #expect(try fixture.texts(options) == [""])
        #expect(try fixture.int("SELECT relallvisible FROM pg_class WHERE relname = 'scan_runs_0_1999'") > 0)
    }

    @Test func lostScannerKeepsNoPartitionOpen() throws {
        try fixture.addJournal(1)
        try fixture.fillFirstPartition()
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '47 hours'")
        try fixture.maintainPartitions()
        #expect(try fixture.closedPartitions() == [])
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '49 hours'")
        try fixture.maintainPartitions()
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
    }

    @Test func invalidIndexIsBuiltAgain() throws {
        try fixture.addJournal(1)
        try fixture.fillFirstPartition()
        try connection.execute(
            """
            CREATE INDEX scan_runs_0_1999_tags ON tapline_partitions.scan_runs_0_1999 USING gin (tags);
            UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tapline_partitions.scan_runs_0_1999_tags'::regclass;
            """)
        let index = "'tapline_partitions.scan_runs_0_1999_tags'::regclass"
        let invalid = try fixture.int("SELECT \(index)::oid::bigint")
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.int("SELECT indisvalid::int FROM pg_index WHERE indexrelid = \(index)") == 1)
        #expect(try fixture.int("SELECT \(index)::oid::bigint") != invalid)
    }

    /// Stores runs of equal size in journal 1.
    private func store(runs: Int, scans: Int) throws {
        var random = TestRandom(5)
        let zeros = [UInt8](repeating: 0, count: scans)
        let stored = (0..<runs).map { run -> StoredScans in
            let base = IngestFixture.day + Int64(run) * 1_000_000
            let tags = (0..<scans).map { _ in Int64.random(in: 1 ... .max, using: &random) }
            return StoredScans(
                journal: 1, scanner: "s-1", journalID: .random(), first: Int64(run * scans + 1), baseMicros: base,
                atMs: Array(0..<Int32(scans))[...], tags: tags[...], verdicts: zeros[...], flags: zeros[...], gate: 1,
                snapshot: 5, receivedMicros: base, isBehind: false)
        }
        try ScanRunTable(connection).copy(stored, CopyBuffer())
    }

    private static let table = "SELECT pg_relation_filenode('tapline_partitions.scan_runs_0_1999')"

    @Test func partitionInUseIsRewrittenLater() throws {
        try fixture.addJournal(1)
        try store(runs: 5_000, scans: 1)
        try fixture.fillFirstPartition()
        let reader = try fixture.database.connect()
        try reader.execute("BEGIN; SELECT count(*) FROM tapline_partitions.scan_runs_0_1999")
        var memory = Partitions.Memory()
        let before = try fixture.int(Self.table)
        try fixture.maintainPartitions(&memory, silentJournalHours: 0)
        #expect(memory.inUse == ["scan_runs_0_1999"])
        #expect(try fixture.closedPartitions() == [])
        #expect(try fixture.int(Self.table) == before)
        try reader.execute("COMMIT")
        try fixture.maintainPartitions(&memory, silentJournalHours: 0)
        #expect(memory.inUse == [])
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(try fixture.int(Self.table) != before)
    }

    @Test func partitionThatWaitsIsNotMeasuredAgain() throws {
        try fixture.addJournal(1)
        try store(runs: 1, scans: 9)
        try fixture.fillFirstPartition()
        let before = try fixture.int(Self.table)
        // A measurement would find nothing to rewrite.
        var memory = Partitions.Memory(inUse: ["scan_runs_0_1999"])
        try fixture.maintainPartitions(&memory, silentJournalHours: 0)
        #expect(try fixture.int(Self.table) != before)
        #expect(memory.inUse == [])
    }

    @Test func indexOfTheTagsCountsNotAsRemains() throws {
        try fixture.addJournal(1)
        try store(runs: 200, scans: 500)
        try fixture.fillFirstPartition()
        // As if the center had ended before it closed the partition.
        try connection.execute(
            "CREATE INDEX scan_runs_0_1999_tags ON tapline_partitions.scan_runs_0_1999 USING gin (tags)")
        let before = try fixture.int(Self.table)
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        #expect(try fixture.int(Self.table) == before)
    }

    @Test func lateBatchIsStoredOnceInAClosedPartition() throws {
        let journal = MadeJournal.admissions(count: 20)
        let store = try fixture.store()
        _ = try store.store([journal.batch(1, 10).delivery()])
        try fixture.fillFirstPartition()
        try fixture.maintainPartitions(silentJournalHours: 0)
        #expect(try fixture.closedPartitions() == ["scan_runs_0_1999"])
        let late = journal.batch(6, 15).delivery()
        #expect(try store.store([late]) == [.accepted(stored: 10, duplicates: 5, conflicts: 0)])
        #expect(try store.store([late]) == [.accepted(stored: 0, duplicates: 15, conflicts: 0)])
        try fixture.checkBooks()
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(20)") == 1)
    }
}
