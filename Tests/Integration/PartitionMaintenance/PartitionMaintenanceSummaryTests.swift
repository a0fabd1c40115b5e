import Postgres
import Runtime
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests the block range summaries and the indexes of the partitions by the pages that a search reads.
@Suite struct PartitionMaintenanceSummaryTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws { fixture = try IngestFixture() }

    /// Returns the pages that the search for a tag reads, and the number of its scans.
    private func search(_ tag: Int) throws -> (pages: Int, scans: Int64) {
        let sql = "SELECT count(*) FROM tapline.scans_of(\(tag))"
        // The first query plans and reads the catalog.
        let count = try fixture.int(sql)
        let lines = try fixture.texts("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) \(sql)")
        let line = try #require(lines.first { $0.contains("Buffers: shared") })
        let numbers = line.split(separator: " ").compactMap { word -> Int? in
            word.hasPrefix("hit=") || word.hasPrefix("read=") ? Int(word.split(separator: "=")[1]) : nil
        }
        return (numbers.reduce(0, +), count)
    }

    @Test func searchReadsFewPagesAfterSummaryAndClosing() throws {
        for id in 1...20 { try fixture.addJournal(id, "s-\(id % 4 + 1)") }
        // Each tag has four scans in four places.
        try connection.execute(
            """
            INSERT INTO tapline.scans SELECT n % 20 + 1, n / 20, 1000000 + n % 25000, now(), 0, 0, 1, 0, now()
            FROM generate_series(20, 100019) AS n
            """)
        let pages = Int(try fixture.int("SELECT pg_relation_size('tapline_internal.scans_0_1999') / 8192"))
        let tags = [1_000_020, 1_012_345, 1_024_999, 1_000_000]
        for tag in tags { #expect(try search(tag).pages >= pages) }

        let summarizer = BRINSummarizer(connection, MaintenanceMetrics(Metrics()))
        let stop = StopSignal()
        #expect(try summarizer.step(stop) < summarizer.step(stop), "busy, then idle")
        #expect(
            try fixture.int("SELECT summarised_blocks FROM tapline_internal.scan_partitions WHERE first_journal = 0")
                == Int64(pages - 128) / 4 * 4)
        for tag in tags {
            let found = try search(tag)
            #expect(found.scans == 4)
            #expect(found.pages < pages / 2, "of \(pages)")
        }

        try fixture.fillFirstPartition()
        try fixture.maintainPartitions(silentJournalHours: 0)
        for tag in tags {
            let found = try search(tag)
            #expect(found.scans == 4)
            #expect(found.pages < 30)
        }
    }

    @Test func summarizerSkipsLockedAndFollowsTruncatedPartitions() throws {
        try fixture.addJournal(1)
        let fill = "INSERT INTO tapline.scans SELECT 1, n, n, now(), 0, 0, 1, 0, now() FROM generate_series(1, 30000) n"
        try connection.execute(fill)
        let summarizer = BRINSummarizer(connection, MaintenanceMetrics(Metrics()))
        let done = "SELECT summarised_blocks FROM tapline_internal.scan_partitions WHERE first_journal = 0"
        let other = try fixture.database.connect()
        try other.execute("BEGIN; LOCK TABLE tapline_internal.scans_0_1999 IN SHARE UPDATE EXCLUSIVE MODE")
        _ = try summarizer.step(StopSignal())
        #expect(try fixture.int(done) == 0)
        try other.execute("ROLLBACK")
        _ = try summarizer.step(StopSignal())
        let all = try fixture.int(done)
        #expect(all > 0)
        try connection.execute("TRUNCATE tapline.scans")
        _ = try summarizer.step(StopSignal())
        try connection.execute(fill)
        _ = try summarizer.step(StopSignal())
        #expect(try fixture.int(done) == all)
        #expect(try search(20).scans == 1)
    }
}
