import Postgres
import ScanModel
import ScanRuns

/// The rows of `tapline_internal.tracking_queue`: runs of stored scans that are not tracked yet.
///
/// A transaction that tracks runs removes their rows first. A run that another tracker has tracked is not found. A run
/// whose transaction was rolled back is found again.
struct TrackingQueue {
    /// The key of a row.
    struct Run: Hashable {
        let journal: Int64
        let first: Int64

        init(_ journal: Int64, _ first: Int64) {
            self.journal = journal
            self.first = first
        }

        init(_ scans: StoredScans) { self.init(scans.journal, scans.first) }
    }

    /// Which queued runs a caller takes.
    struct Selection {
        /// Minimum time in the queue, in milliseconds.
        var olderThanMs: Int64
        var excluded: [Run] = []

        fileprivate var parameters: [PostgresParameter] {
            [.int64(olderThanMs), .int64s(excluded.map(\.journal)), .int64s(excluded.map(\.first))]
        }
    }

    /// Maximum number of runs that one transaction takes, and the number of scans after which it takes no further run.
    static let runsLimit = 2_000
    static let scansLimit = 200_000

    let connection: PostgresConnection

    /// The rows of a `Selection`.
    private static let selected = """
        FROM tapline_internal.tracking_queue WHERE stored_at <= clock_timestamp() - $1 * interval '1 millisecond'
            AND (journal_id, first_seq) NOT IN (SELECT * FROM unnest($2, $3))
        """

    func isEmpty(_ selection: Selection) throws(PostgresError) -> Bool {
        try connection.query("SELECT \(TrackingQueue.selected) LIMIT 1", selection.parameters).rowCount == 0
    }

    /// Returns the oldest selected runs, at most `runsLimit`. They stay in the queue.
    func runs(_ selection: Selection) throws(PostgresError) -> [Run] {
        let result = try connection.query(
            """
            SELECT journal_id, first_seq \(TrackingQueue.selected)
            ORDER BY stored_at LIMIT \(TrackingQueue.runsLimit)
            """, selection.parameters, binary: true)
        return (0..<result.rowCount).map { Run(result.int($0, 0), result.int($0, 1)) }
    }

    /// Removes runs whose scans are in memory.
    ///
    /// - Returns: the runs that were in the queue. Only these may be tracked.
    func remove(_ runs: [StoredScans]) throws(PostgresError) -> Set<Run> {
        let result = try connection.query(
            """
            DELETE FROM tapline_internal.tracking_queue u USING unnest($1, $2) AS n(journal_id, first_seq)
            WHERE u.journal_id = n.journal_id AND u.first_seq = n.first_seq
            RETURNING u.journal_id, u.first_seq
            """, [.int64s(runs.map(\.journal)), .int64s(runs.map(\.first))], binary: true)
        return Set((0..<result.rowCount).map { Run(result.int($0, 0), result.int($0, 1)) })
    }

    /// Removes one run and returns its scans; empty if it was not in the queue.
    func take(_ run: Run) throws(PostgresError) -> [StoredScans] {
        try scans(
            of: connection.query(
                """
                DELETE FROM tapline_internal.tracking_queue WHERE journal_id = $1 AND first_seq = $2
                RETURNING journal_id, first_seq, last_seq
                """, [.int64(run.journal), .int64(run.first)], binary: true))
    }

    /// Removes the oldest selected runs, within the limits.
    ///
    /// - Returns: their number, 0 if there are none, and their scans. Retention may have dropped the scans.
    func take(_ selection: Selection) throws(PostgresError) -> (runs: Int, scans: [StoredScans]) {
        let removed = try connection.query(
            """
            DELETE FROM tapline_internal.tracking_queue u USING (
                SELECT journal_id, first_seq,
                    sum(last_seq - first_seq + 1) OVER (ORDER BY journal_id, first_seq) AS scans
                FROM (SELECT * \(TrackingQueue.selected) ORDER BY stored_at LIMIT \(TrackingQueue.runsLimit)) w
            ) n
            WHERE u.journal_id = n.journal_id AND u.first_seq = n.first_seq
                AND n.scans - (u.last_seq - u.first_seq) <= \(TrackingQueue.scansLimit)
            RETURNING u.journal_id, u.first_seq, u.last_seq
            """, selection.parameters, binary: true)
        return (removed.rowCount, try scans(of: removed))
    }

    /// Reads the scans of removed rows (journal, first seq, last seq). A row may begin and end within stored runs.
    private func scans(of removed: PostgresResult) throws(PostgresError) -> [StoredScans] {
        guard removed.rowCount > 0 else { return [] }
        let rows = 0..<removed.rowCount
        let journals = rows.map { removed.int($0, 0) }
        // OFFSET 0 forces one index range for each row, whatever the planner estimates. The first and the last journal
        // keep the statement from planning and locking all partitions.
        let result = try connection.query(
            """
            SELECT \(ScanRun.columns), w.first, w.last, j.scanner_id, j.log
            FROM unnest($1, $2, $3) AS w(journal, first, last)
            CROSS JOIN LATERAL (SELECT scanner_id, log FROM tapline.journals WHERE id = w.journal OFFSET 0) j
            CROSS JOIN LATERAL (
                SELECT * FROM tapline_internal.scan_runs r
                WHERE r.journal_id = w.journal AND r.journal_id BETWEEN $4 AND $5 AND r.last_seq >= w.first
                    AND r.first_seq BETWEEN w.first - \(ScanRun.scansLimit - 1) AND w.last OFFSET 0) r
            """,
            [
                .int64s(journals), .int64s(rows.map { removed.int($0, 1) }), .int64s(rows.map { removed.int($0, 2) }),
                .int64(journals.min() ?? 0), .int64(journals.max() ?? 0),
            ], binary: true)
        var runs = (0..<result.rowCount).map { row in
            let next = ScanRun.columnCount
            let uuid = result.uuid(row, next + 3)
            return StoredScans(
                ScanRun(result, row: row), within: result.int(row, next)...result.int(row, next + 1),
                scanner: result.text(row, next + 2), journalID: JournalID(high: uuid.high, low: uuid.low))
        }
        try place(&runs)
        return runs
    }

    /// Sets the places in time of scans under an untrusted clock (`tapline_internal.scan_times`).
    private func place(_ runs: inout [StoredScans]) throws(PostgresError) {
        let doubted = runs.indices.filter { index in
            runs[index].flags.contains { $0 & Flags.clockNotTrusted.rawValue != 0 }
        }
        guard !doubted.isEmpty else { return }
        let result = try connection.query(
            """
            SELECT w.run, t.seq, t.placed_at FROM unnest($1, $2, $3, $4) AS w(run, journal, first, last)
            CROSS JOIN LATERAL (SELECT * FROM tapline_internal.scan_times t
                WHERE t.journal_id = w.journal AND t.seq BETWEEN w.first AND w.last OFFSET 0) t
            """,
            [
                .int64s(doubted.map { Int64($0) }), .int64s(doubted.map { runs[$0].journal }),
                .int64s(doubted.map { runs[$0].first }),
                .int64s(doubted.map { runs[$0].first + Int64(runs[$0].count) - 1 }),
            ], binary: true)
        var places: [Int: [Int64]] = [:]
        for row in 0..<result.rowCount {
            let index = Int(result.int(row, 0))
            let offset = Int(result.int(row, 1) - runs[index].first)
            places[index, default: (0..<runs[index].count).map(runs[index].orderedMicros)][offset] =
                result.microseconds(row, 2)
        }
        for (index, placed) in places { runs[index].placedMicros = placed[...] }
    }
}
