import Ingest
import Migrations
import PartitionMaintenance
import Postgres
import ScanModel
import Schema
import TestSupport
import Testing

@testable import LinuxSystem
@testable import Runtime

/// The partitions of the scans: made ahead, summarised, turned, closed.
@Suite struct GrowthTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws { fixture = try IngestFixture() }

    private func partitions() throws -> [String] {
        try fixture.texts(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'tapline.scans'::regclass ORDER BY 1"
        )
    }

    /// What the daemon's second thread does once.
    private func tidy(silentJournalHours: Int = 48, keepDays: Int? = nil) throws {
        let settings = MaintenanceSettings(silentJournalHours: silentJournalHours, keepDays: keepDays)
        _ = try Partitions(connection, settings, MaintenanceMetrics(Metrics())).step(StopSignal())
    }

    private func addJournal(_ id: Int, _ scanner: String = "s-1") throws {
        try connection.execute(
            "INSERT INTO tapline.journals (id, log, scanner_id) VALUES (\(id), gen_random_uuid(), '\(scanner)')")
    }

    /// All ids of the first partition are given away.
    private func fillIDs() throws { try connection.execute("SELECT setval('tapline.journals_id_seq', 1999)") }

    @Test func `partitions are there before they are needed`() throws {
        #expect(try partitions() == ["scans_0_1999", "scans_2000_3999"])
        for id in [1, 1_999, 2_000, 123_456] {
            try addJournal(id)
            try connection.execute("INSERT INTO tapline.scans VALUES (\(id), 1, 7, now(), 0, 0, NULL, 0, now())")
        }
        let more = ["scans_122000_123999", "scans_124000_125999", "scans_4000_5999"]
        #expect(try partitions() == (["scans_0_1999"] + more + ["scans_2000_3999"]).sorted())
        #expect(try partitions() == fixture.texts("SELECT name FROM tapline_internal.scan_partitions ORDER BY name"))
        // The center keeps one more, so that the trigger makes none.
        try fillIDs()
        try tidy()
        #expect(try partitions().contains("scans_4000_5999"))
        try connection.execute("SELECT setval('tapline.journals_id_seq', 5000)")
        try tidy()
        #expect(try partitions().contains("scans_8000_9999"))
    }

    @Test func `a new partition fits between irregular neighbours`() throws {
        // Retention merges ranges, so neighbours need not start or end at a multiple of the span.
        try connection.execute(
            """
            SELECT tapline_internal.make_scan_partition(4000, 10500);
            SELECT tapline_internal.make_scan_partition(118500, 130000);
            """)
        for id in [7, 123_456, 10_550, 117_500, 129_999] {
            try addJournal(id)
            try connection.execute("INSERT INTO tapline.scans VALUES (\(id), 1, 5, now(), 0, 0, NULL, 0, now())")
        }
        let bounds = try fixture.texts(
            """
            SELECT concat_ws(' ', name, first_journal, end_journal)
            FROM tapline_internal.scan_partitions ORDER BY first_journal
            """)
        #expect(
            bounds == [
                "scans_0_1999 0 2000", "scans_2000_3999 2000 4000", "scans_4000_10499 4000 10500",
                "scans_10500_11999 10500 12000", "scans_12000_13999 12000 14000", "scans_116000_117999 116000 118000",
                "scans_118000_118499 118000 118500", "scans_118500_129999 118500 130000",
                "scans_130000_131999 130000 132000",
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(5)") == 5)
    }

    @Test func `two centers make one partition, and no COPY waits for it`() async throws {
        let (first, second, writer) = (
            try fixture.database.connect(), try fixture.database.connect(), try fixture.database.connect()
        )
        // A group that is being stored, and a reader that stays.
        try addJournal(1)
        try writer.execute("BEGIN; INSERT INTO tapline.scans VALUES (1, 1, 7, now(), 0, 0, NULL, 0, now())")
        try second.execute("BEGIN; SELECT count(*) FROM tapline.scans")
        try first.execute("SET lock_timeout = '2s'; BEGIN")
        #expect(try first.query("SELECT tapline_internal.ensure_scan_partition(50001)").int(0, 0) == 52_000)
        let url = fixture.database.url
        let asked = StopSignal()
        NamedThread("second") {
            let other = try? PostgresConnection(url: url, applicationName: "second center")
            #expect((try? other?.query("SELECT tapline_internal.ensure_scan_partition(50002)").int(0, 0)) == 52_000)
            asked.stop()
        }
        while try fixture.int(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE application_name = 'second center' AND NOT granted"
        ) == 0 {
            _ = Poll.wait([], timeoutMs: 20)
        }
        try first.commit()
        #expect(asked.wait(ms: 30_000))
        try writer.execute("INSERT INTO tapline.scans VALUES (50001, 1, 7, now(), 0, 0, NULL, 0, now()); COMMIT")
        #expect(try partitions().count { $0 == "scans_50000_51999" } == 1)
    }

    @Test func `journals turn to the next partition when the present one is old`() throws {
        try addJournal(1)
        try connection.execute("SELECT setval('tapline.journals_id_seq', 1)")
        let turn = "SELECT tapline_internal.rotate_scan_partition()::int"
        #expect(try fixture.int(turn) == 0)
        try connection.execute("UPDATE tapline.journals SET first_received_at = now() - interval '2 days'")
        #expect(try fixture.int(turn) == 0)
        try connection.execute(
            "UPDATE tapline.journals SET last_seq = 1000000, next_seq = 1000001, received = 1000000, stored = 1000000")
        #expect(try fixture.int(turn) == 1)
        #expect(try fixture.int(turn) == 0)
        let next = "INSERT INTO tapline.journals (log, scanner_id) VALUES (gen_random_uuid(), 's-2') RETURNING id"
        #expect(try fixture.int(next) == 2_000)
        // Few scans, a week: a small event has few partitions.
        try connection.execute(
            "UPDATE tapline.journals SET first_received_at = now() - interval '8 days' WHERE id = 2000")
        #expect(try fixture.int(turn) == 1)
        #expect(try fixture.int(next) == 4_000)
    }

    @Test func `a partition closes when its journals are over`() throws {
        try addJournal(1)
        try addJournal(2, "s-2")
        try connection.execute(
            "INSERT INTO tapline.scans SELECT 1, n, n, now(), 0, 0, 1, 0, now() FROM generate_series(1, 500) n")
        let closed = "SELECT name FROM tapline_internal.scan_partitions WHERE closed_at IS NOT NULL"
        try tidy(silentJournalHours: 0)
        #expect(try fixture.texts(closed) == [], "it gets more journals")
        try fillIDs()
        try addJournal(2_000)
        try tidy()
        #expect(try fixture.texts(closed) == [], "a journal of s-2 goes on")
        let index = """
            SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('tapline_internal.scans_0_1999_tag')
            """
        #expect(try fixture.int(index) == 0)
        let options =
            "SELECT coalesce(array_to_string(reloptions, ','), '') FROM pg_class WHERE relname = 'scans_0_1999'"
        #expect(try fixture.texts(options) == ["autovacuum_enabled=off"])
        try addJournal(2_001, "s-2")
        try tidy()
        #expect(try fixture.texts(closed) == ["scans_0_1999"])
        #expect(try fixture.int(index) == 1)
        #expect(try fixture.texts(options) == [""])
        #expect(try fixture.int("SELECT relallvisible FROM pg_class WHERE relname = 'scans_0_1999'") > 0)
    }

    @Test func `a scanner that is lost keeps no partition open`() throws {
        try addJournal(1)
        try fillIDs()
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '47 hours'")
        let closed = "SELECT count(*) FROM tapline_internal.scan_partitions WHERE closed_at IS NOT NULL"
        try tidy()
        #expect(try fixture.int(closed) == 0)
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '49 hours'")
        try tidy()
        #expect(try fixture.int(closed) == 1)
    }

    @Test func `an index that was not finished is made anew`() throws {
        try addJournal(1)
        try fillIDs()
        try connection.execute(
            """
            CREATE INDEX scans_0_1999_tag ON tapline_internal.scans_0_1999 (tag_id);
            UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tapline_internal.scans_0_1999_tag'::regclass;
            """)
        let spoilt = try fixture.int("SELECT 'tapline_internal.scans_0_1999_tag'::regclass::oid::bigint")
        try tidy(silentJournalHours: 0)
        #expect(
            try fixture.int(
                "SELECT indisvalid::int FROM pg_index WHERE indexrelid = 'tapline_internal.scans_0_1999_tag'::regclass")
                == 1)
        #expect(try fixture.int("SELECT 'tapline_internal.scans_0_1999_tag'::regclass::oid::bigint") != spoilt)
    }

    @Test func `a late batch finds its place in a closed partition, once`() throws {
        let scans = (1...Int64(20)).map {
            Scan(
                seq: $0, atMs: IngestFixture.day / 1_000 + $0, tag: TagID(rawValue: $0), verdict: .admitted, flags: [],
                gate: nil, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", log: .random(), scans: scans)
        let store = try fixture.store()
        _ = try store.store([journal.batch(1, 10).delivery()])
        try fillIDs()
        try tidy(silentJournalHours: 0)
        #expect(
            try fixture.int("SELECT count(*) FROM tapline_internal.scan_partitions WHERE closed_at IS NOT NULL") == 1)
        let late = journal.batch(6, 15).delivery()
        #expect(try store.store([late]) == [.taken(stored: 10, duplicates: 5, conflicts: 0)])
        #expect(try store.store([late]) == [.taken(stored: 0, duplicates: 15, conflicts: 0)])
        try fixture.checkBooks()
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans_of(20)") == 1)
    }

    /// Pages that the search for a tag touches, and its scans.
    private func search(_ tag: Int) throws -> (pages: Int, scans: Int64) {
        let sql = "SELECT count(*) FROM tapline.scans_of(\(tag))"
        // The first one plans, and reads the catalog.
        let count = try fixture.int(sql)
        let lines = try fixture.texts("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) \(sql)")
        let line = try #require(lines.first { $0.contains("Buffers: shared") })
        let numbers = line.split(separator: " ").compactMap { word -> Int? in
            word.hasPrefix("hit=") || word.hasPrefix("read=") ? Int(word.split(separator: "=")[1]) : nil
        }
        return (numbers.reduce(0, +), count)
    }

    @Test func `a tag is found without reading all, once it is summarised, and better once it is closed`() throws {
        for id in 1...20 { try addJournal(id, "s-\(id % 4 + 1)") }
        // Each tag four times, in four places.
        try connection.execute(
            """
            INSERT INTO tapline.scans SELECT n % 20 + 1, n / 20, 1000000 + n % 25000, now(), 0, 0, 1, 0, now()
            FROM generate_series(20, 100019) AS n
            """)
        let pages = Int(try fixture.int("SELECT pg_relation_size('tapline_internal.scans_0_1999') / 8192"))
        let tags = [1_000_020, 1_012_345, 1_024_999, 1_000_000]
        for tag in tags { #expect(try search(tag).pages >= pages) }

        let summaries = BRINSummarizer(connection, MaintenanceMetrics(Metrics()))
        let stop = StopSignal()
        #expect(try summaries.step(stop) < summaries.step(stop), "busy, then idle")
        #expect(
            try fixture.int("SELECT summarised_blocks FROM tapline_internal.scan_partitions WHERE first_journal = 0")
                == Int64(
                    pages - 128) / 4 * 4)
        for tag in tags {
            let found = try search(tag)
            #expect(found.scans == 4)
            #expect(found.pages < pages / 2, "of \(pages)")
        }

        try fillIDs()
        try tidy(silentJournalHours: 0)
        for tag in tags {
            let found = try search(tag)
            #expect(found.scans == 4)
            #expect(found.pages < 30)
        }
    }

    @Test func `summaries wait for nobody, and go on after a partition was emptied`() throws {
        try addJournal(1)
        let fill = "INSERT INTO tapline.scans SELECT 1, n, n, now(), 0, 0, 1, 0, now() FROM generate_series(1, 30000) n"
        try connection.execute(fill)
        let summaries = BRINSummarizer(connection, MaintenanceMetrics(Metrics()))
        let done = "SELECT summarised_blocks FROM tapline_internal.scan_partitions WHERE first_journal = 0"
        let other = try fixture.database.connect()
        try other.execute("BEGIN; LOCK TABLE tapline_internal.scans_0_1999 IN SHARE UPDATE EXCLUSIVE MODE")
        _ = try summaries.step(StopSignal())
        #expect(try fixture.int(done) == 0)
        try other.execute("ROLLBACK")
        _ = try summaries.step(StopSignal())
        let all = try fixture.int(done)
        #expect(all > 0)
        try connection.execute("TRUNCATE tapline.scans")
        _ = try summaries.step(StopSignal())
        try connection.execute(fill)
        _ = try summaries.step(StopSignal())
        #expect(try fixture.int(done) == all)
        #expect(try search(20).scans == 1)
    }

    @Test func `the daemon's threads work in one center at a time, and end an index that is being built`() throws {
        try addJournal(1)
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '3 days'")
        try fillIDs()
        // A backup: whoever builds an index waits for it.
        let reader = try fixture.database.connect()
        try reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tapline.scans")
        var centers: [(stop: StopSignal, ended: [StopSignal])] = []
        for _ in 1...2 {
            let stop = StopSignal()
            let services = MaintenanceService(databaseURL: fixture.database.url, metrics: Metrics()).services()
            let ended = services.map { service in
                let ended = StopSignal()
                Task {
                    try await service.run(stop)
                    ended.stop()
                }
                return ended
            }
            centers.append((stop, ended))
        }
        let building = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONC%'
                AND state = 'active' AND wait_event_type = 'Lock'
            """
        func wait(_ condition: () throws -> Bool) throws {
            let deadline = SystemClock.monotonicMs() + 30_000
            while try !condition(), SystemClock.monotonicMs() < deadline { _ = Poll.wait([], timeoutMs: 20) }
            #expect(try condition())
        }
        try wait { try fixture.int(building) == 1 }
        #expect(
            try fixture.int(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ) == 2)
        for center in centers {
            center.stop.stop()
            for ended in center.ended { #expect(ended.wait(ms: 10_000)) }
        }
        try wait { try fixture.int(building) == 0 }
        #expect(
            try fixture.int("SELECT count(*) FROM tapline_internal.scan_partitions WHERE closed_at IS NOT NULL") == 0)
    }
}
