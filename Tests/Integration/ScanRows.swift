import Postgres
import ScanModel
import ScanRuns

/// Stores scans that a test makes in SQL.
enum ScanRows {
    /// Stores rows as runs: consecutive scans of one journal with the same gate, snapshot and receipt.
    ///
    /// - Parameters:
    ///   - connection: may be in a transaction.
    ///   - rows: a query with the columns of `tapline.scans`.
    ///   - runScans: maximum number of scans of a run.
    static func insert(
        _ connection: PostgresConnection, _ rows: String, runScans: Int = ScanRun.scansLimit
    ) throws {
        let result = try connection.query(
            """
            SELECT journal_id::bigint, seq::bigint, tag_id::bigint, scanned_at::timestamptz, verdict::integer,
                flags::integer, gate_id::bigint, snapshot_version::bigint, received_at::timestamptz
            FROM (\(rows)) AS s (journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at)
            ORDER BY 1, 2
            """, binary: true)
        var runs: [StoredScans] = []
        for row in 0..<result.rowCount {
            let (journal, seq, at) = (result.int(row, 0), result.int(row, 1), result.microseconds(row, 3))
            let (gate, snapshot) = (result.optionalInt(row, 6), result.int(row, 7))
            let received = result.microseconds(row, 8)
            let last = runs.last
            if last?.journal != journal || last?.gate != gate || last?.snapshot != snapshot
                || last?.receivedMicros != received || last.map({ $0.first + Int64($0.count) }) != seq
                || last?.count == runScans
            {
                runs.append(
                    StoredScans(
                        journal: journal, scanner: "s-1", journalID: .random(), first: seq, baseMicros: at, atMs: [],
                        tags: [], verdicts: [], flags: [], gate: gate, snapshot: snapshot, receivedMicros: received,
                        isBehind: false))
            }
            let end = runs.count - 1
            runs[end].atMs.append(Int32((at - runs[end].baseMicros) / 1_000))
            runs[end].tags.append(result.int(row, 2))
            runs[end].verdicts.append(UInt8(result.int(row, 4)))
            runs[end].flags.append(UInt8(result.int(row, 5)))
        }
        try ScanRunTable(connection).copy(runs, CopyBuffer())
    }
}
