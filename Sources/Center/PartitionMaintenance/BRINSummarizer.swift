import Postgres
import Runtime

/// Summarises the block range index (`scans_blocks`) of open partitions, close behind the writers. Confined to its
/// connection's thread.
///
/// A search for a tag then reads only the ranges whose Bloom filter may hold it, and the last pages. Ranges that
/// writers may still fill are skipped. An insert into a summarised range would have to change the summary, which costs
/// more than the insert.
struct BRINSummarizer {
    /// Pages per range, as in migrations/0003_scans.sql.
    static let rangePages: Int64 = 4
    /// Pages at the end of a partition that writers may still fill. Each writer fills a page. It extends the table by
    /// 20 pages for each other writer that waits to extend it. These pages hold 11,000 scans, which are read in 2 ms.
    static let marginPages: Int64 = 128
    /// Maximum number of pages that one statement summarises: 180,000 scans, about 40 ms.
    static let chunkPages: Int64 = 2_048
    /// Pause after a step that summarised something, in milliseconds. At 300,000 scans a second, 75,000 scans arrive in
    /// it.
    static let busyMs = 250
    /// Pause after a step without work, in milliseconds.
    static let idleMs = 500

    private let connection: PostgresConnection
    private let metrics: MaintenanceMetrics

    init(_ connection: PostgresConnection, _ metrics: MaintenanceMetrics) {
        self.connection = connection
        self.metrics = metrics
    }

    /// An open partition.
    private struct Open {
        let firstJournal: Int64
        /// OID of its part of the index.
        let index: Int64
        /// Summarised pages at the start of the partition.
        let summarised: Int64
        let pages: Int64
    }

    /// Summarises the written ranges of all open partitions.
    ///
    /// - Returns: the pause until the next call, in milliseconds.
    func step(_ stop: StopSignal) throws(PostgresError) -> Int {
        var (isBusy, left) = (false, Int64(0))
        for partition in try open() {
            var done = partition.summarised
            if done > partition.pages {
                // The partition was truncated.
                done = 0
                try connection.query(
                    "UPDATE tapline_internal.scan_partitions SET summarised_blocks = 0 WHERE first_journal = $1",
                    [.int64(partition.firstJournal)])
            }
            let end =
                (partition.pages - BRINSummarizer.marginPages) / BRINSummarizer.rangePages * BRINSummarizer.rangePages
            while done < end, !stop.isStopped {
                let next = min(done + BRINSummarizer.chunkPages, end)
                guard try summarise(partition, done, next) else { break }
                (done, isBusy) = (next, true)
            }
            left += partition.pages - done
        }
        metrics.unsummarised.set(Int(left))
        return isBusy ? BRINSummarizer.busyMs : BRINSummarizer.idleMs
    }

    private func open() throws(PostgresError) -> [Open] {
        let rows = try connection.query(
            """
            SELECT p.first_journal, x.indexrelid::bigint, p.summarised_blocks,
                pg_relation_size(t.oid) / current_setting('block_size')::bigint
            FROM tapline_internal.scan_partitions p
            JOIN pg_class t ON t.relname = p.name AND t.relnamespace = 'tapline_internal'::regnamespace
            JOIN pg_index x ON x.indrelid = t.oid
            JOIN pg_inherits h ON h.inhrelid = x.indexrelid AND h.inhparent = 'tapline.scans_blocks'::regclass
            WHERE p.closed_at IS NULL ORDER BY p.first_journal
            """, binary: true)
        return (0..<rows.rowCount).map {
            Open(
                firstJournal: rows.int($0, 0), index: rows.int($0, 1), summarised: rows.int($0, 2),
                pages: rows.int($0, 3))
        }
    }

    /// - Returns: `false` if another statement, such as a VACUUM, locks the partition. The next step tries again.
    private func summarise(_ partition: Open, _ first: Int64, _ end: Int64) throws(PostgresError) -> Bool {
        do {
            // Below the server's deadlock_timeout, after which a blocking autovacuum would be cancelled.
            try connection.execute("SET lock_timeout = 200")
            try connection.query(
                """
                WITH done AS (
                    SELECT count(brin_summarize_range($1::oid::regclass, page))
                    FROM generate_series($2, $3 - 1, \(BRINSummarizer.rangePages)) AS page)
                UPDATE tapline_internal.scan_partitions SET summarised_blocks = $3 FROM done WHERE first_journal = $4
                """, [.int64(partition.index), .int64(first), .int64(end), .int64(partition.firstJournal)])
            return true
        } catch  where error.sqlState == "55P03" { return false }
    }
}
