package import Postgres
package import Runtime

/// Summarises the index of block ranges (`tapline.scans_blocks`) of open partitions, close behind the writers: so a search
/// for a tag reads only the ranges whose bloom filter may hold it, and the last pages. Confined to its connection's thread.
///
/// An insert into a range that is summarised would have to change the summary, which costs more than the insert; so ranges
/// that writers may still fill are left alone.
package struct BRINSummarizer {
    /// Pages of a range, as in 0002_scans.sql.
    static let rangePages: Int64 = 4
    /// Pages at the end of a partition that writers may still fill: each has a page of its own in hand, and each extends the
    /// table by 20 for every other that waits to do so. 11,000 scans, read in 2 ms.
    static let marginPages: Int64 = 128
    /// Pages summarised by one statement: 180,000 scans, about 40 ms.
    static let chunkPages: Int64 = 2_048
    /// How soon it looks again while scans come in, and when none came: at 300,000 scans a second 75,000 gather.
    static let (busyMs, idleMs) = (250, 500)

    private let connection: PostgresConnection
    private let metrics: MaintenanceMetrics

    package init(_ connection: PostgresConnection, _ metrics: MaintenanceMetrics) {
        (self.connection, self.metrics) = (connection, metrics)
    }

    /// An open partition and its part of the index.
    private struct Open {
        let firstJournal: Int64
        let index: Int64
        let summarised: Int64
        let pages: Int64
    }

    /// Summarises what can be; gives the milliseconds until it is worth a look again.
    package func step(_ stop: StopSignal) throws(PostgresError) -> Int {
        var (isBusy, left) = (false, Int64(0))
        for partition in try open() {
            var done = partition.summarised
            if done > partition.pages {
                // Somebody emptied it.
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

    /// False when somebody else is at the partition, as a vacuum: then the next time.
    private func summarise(_ partition: Open, _ first: Int64, _ end: Int64) throws(PostgresError) -> Bool {
        do {
            // Below the server's deadlock_timeout, at which a vacuum that stands in the way would be cancelled.
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
