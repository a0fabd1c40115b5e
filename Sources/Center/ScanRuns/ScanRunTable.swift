package import Postgres

/// Reads and writes `tapline_internal.scan_runs`, within the caller's transaction.
package struct ScanRunTable {
    private let connection: PostgresConnection

    /// - Parameter connection: used by these calls only.
    package init(_ connection: PostgresConnection) { self.connection = connection }

    /// Copies runs of new scans into the table.
    ///
    /// - Parameters:
    ///   - runs: in the order of journal and seq, so that neighbours in the indexes are inserted together. Runs of more
    ///     than `ScanRun.scansLimit` scans become several rows.
    ///   - buffer: reused by all COPY statements of the connection.
    /// - Throws: `PostgresError`, also if a scan is stored already.
    package func copy(_ runs: [StoredScans], _ buffer: CopyBuffer) throws(PostgresError) {
        try copy(rows: runs.lazy.flatMap { ScanRun.rows(of: $0) }, buffer)
    }

    /// Copies rows into the table.
    ///
    /// - Parameters:
    ///   - rows: as in `copy(_:_:)`.
    ///   - buffer: reused by all COPY statements of the connection.
    /// - Throws: `PostgresError`, also if a scan is stored already.
    package func copy(rows: some Sequence<ScanRun>, _ buffer: CopyBuffer) throws(PostgresError) {
        try connection.copyIn(ScanRun.copyStatement, buffer) { (send) throws(PostgresError) in
            for row in rows {
                row.put(into: buffer)
                try send()
            }
        }
    }

    /// A range of seqs of one journal.
    package struct Range: Sendable, Hashable {
        /// The row ID of the journal.
        package var journal: Int64
        /// The first seq.
        package var first: Int64
        /// The last seq.
        package var last: Int64

        /// - Parameters:
        ///   - journal: the row ID of the journal.
        ///   - first: the first seq.
        ///   - last: the last seq, at least `first`.
        package init(journal: Int64, first: Int64, last: Int64) {
            self.journal = journal
            self.first = first
            self.last = last
        }

        /// Returns the same seqs as disjoint ranges, in the order of journal and seq.
        static func merged(_ ranges: [Range]) -> [Range] {
            var merged: [Range] = []
            for range in ranges.sorted(by: { ($0.journal, $0.first) < ($1.journal, $1.first) }) {
                if let end = merged.last, end.journal == range.journal, range.first <= end.last + 1 {
                    merged[merged.count - 1].last = max(end.last, range.last)
                } else {
                    merged.append(range)
                }
            }
            return merged
        }

        /// Returns the same seqs in lists of at most `limit` seqs.
        ///
        /// - Parameter ranges: disjoint.
        static func pages(_ ranges: [Range], limit: Int64) -> [[Range]] {
            var pages: [[Range]] = []
            var (page, rest) = ([Range](), limit)
            for range in ranges {
                var first = range.first
                while first <= range.last {
                    let last = min(range.last, first + rest - 1)
                    page.append(Range(journal: range.journal, first: first, last: last))
                    rest -= last - first + 1
                    first = last + 1
                    if rest == 0 {
                        pages.append(page)
                        (page, rest) = ([], limit)
                    }
                }
            }
            return page.isEmpty ? pages : pages + [page]
        }
    }

    /// Maximum number of seqs that one statement of `contents(overlapping:)` reads. Runs of one scan take about 1 kB
    /// each until they are merged, so they take at most 32 MB.
    package static let contentsSeqs: Int64 = 32_768

    /// Returns the runs that hold a scan of the ranges, in the order of journal and seq, each once.
    ///
    /// - Parameter ranges: in any order; may overlap.
    /// - Throws: `PostgresError`.
    package func runs(overlapping ranges: [Range]) throws(PostgresError) -> [ScanRun] {
        guard !ranges.isEmpty else { return [] }
        let rows = try select(Range.merged(ranges))
        return (0..<rows.rowCount).map { ScanRun(rows, row: $0) }
    }

    /// Returns the contents of the stored scans of ranges: device times, tags, verdicts and flags, in the order of
    /// journal and seq.
    ///
    /// As `runs(overlapping:)`, but with little memory for many small runs: neighbours are merged, up to
    /// `ScanRun.scansLimit` scans. The other columns are those of the first of them.
    ///
    /// - Parameter ranges: in any order; may overlap.
    /// - Throws: `PostgresError`.
    package func contents(overlapping ranges: [Range]) throws(PostgresError) -> [ScanRun] {
        var contents: [ScanRun] = []
        for page in Range.pages(Range.merged(ranges), limit: ScanRunTable.contentsSeqs) {
            let rows = try select(page)
            for row in 0..<rows.rowCount {
                let run = ScanRun(rows, row: row)
                // Changed in place: a copy of the last element would copy its columns at each change.
                if let end = contents.indices.last, contents[end].journal == run.journal {
                    // The page before has read this run too.
                    if run.first <= contents[end].last { continue }
                    if contents[end].appendContents(of: run) { continue }
                }
                contents.append(run)
            }
        }
        return contents
    }

    /// Returns the rows that hold a scan of the ranges, which are disjoint and ascending, at least one.
    private func select(_ ranges: [Range]) throws(PostgresError) -> PostgresResult {
        // OFFSET 0 forces one index range for each row, whatever the planner estimates. The first and the
        // last journal keep the statement from planning and locking all partitions.
        try connection.query(
            """
            SELECT DISTINCT ON (journal_id, first_seq) \(ScanRun.columns)
            FROM unnest($1, $2, $3) AS w(journal, first, last)
            CROSS JOIN LATERAL (
                SELECT * FROM tapline_internal.scan_runs r
                WHERE r.journal_id = w.journal AND r.journal_id BETWEEN $4 AND $5 AND r.last_seq >= w.first
                    AND r.first_seq BETWEEN w.first - \(ScanRun.scansLimit - 1) AND w.last OFFSET 0) r
            ORDER BY journal_id, first_seq
            """,
            [
                .int64s(ranges.map(\.journal)), .int64s(ranges.map(\.first)), .int64s(ranges.map(\.last)),
                .int64(ranges[0].journal), .int64(ranges[ranges.count - 1].journal),
            ], binary: true)
    }
}
