import Postgres
import ScanModel

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

    /// Removes the oldest selected runs, within the limits, and returns their scans; empty if there are none.
    func take(_ selection: Selection) throws(PostgresError) -> [StoredScans] {
        try scans(
            of: connection.query(
                """
                DELETE FROM tapline_internal.tracking_queue u USING (
                    SELECT journal_id, first_seq,
                        sum(last_seq - first_seq + 1) OVER (ORDER BY journal_id, first_seq) AS scans
                    FROM (SELECT * \(TrackingQueue.selected) ORDER BY stored_at LIMIT \(TrackingQueue.runsLimit)) w
                ) n
                WHERE u.journal_id = n.journal_id AND u.first_seq = n.first_seq
                    AND n.scans - (u.last_seq - u.first_seq) <= \(TrackingQueue.scansLimit)
                RETURNING u.journal_id, u.first_seq, u.last_seq
                """, selection.parameters, binary: true))
    }

    /// Reads the scans of removed rows (journal, first seq, last seq).
    private func scans(of removed: PostgresResult) throws(PostgresError) -> [StoredScans] {
        guard removed.rowCount > 0 else { return [] }
        let rows = 0..<removed.rowCount
        let result = try connection.query(
            """
            SELECT r.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags, s.gate_id, s.received_at,
                j.scanner_id, j.log, CASE WHEN s.flags & \(Flags.clockNotTrusted.rawValue) <> 0 THEN
                    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) END
            FROM unnest($1, $2, $3) AS r(journal_id, first, last)
            JOIN tapline.journals j ON j.id = r.journal_id
            CROSS JOIN LATERAL (SELECT * FROM tapline.scans s
                WHERE s.journal_id = r.journal_id AND s.seq BETWEEN r.first AND r.last ORDER BY s.seq OFFSET 0) s
            """,
            [
                .int64s(rows.map { removed.int($0, 0) }), .int64s(rows.map { removed.int($0, 1) }),
                .int64s(rows.map { removed.int($0, 2) }),
            ], binary: true)
        var builder = StoredScans.Builder()
        for row in 0..<result.rowCount {
            let uuid = result.uuid(row, 9)
            builder.add(
                journal: result.int(row, 0), seq: result.int(row, 1), tag: result.int(row, 2),
                atMicros: result.microseconds(row, 3), verdict: UInt8(truncatingIfNeeded: result.int(row, 4)),
                flags: UInt8(truncatingIfNeeded: result.int(row, 5)), gate: result.optionalInt(row, 6),
                receivedMicros: result.microseconds(row, 7), scanner: result.text(row, 8),
                journalID: JournalID(high: uuid.high, low: uuid.low),
                placedMicros: result.optionalMicroseconds(row, 10))
        }
        return builder.finish()
    }
}
