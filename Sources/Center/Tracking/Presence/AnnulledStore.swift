import Postgres
import ScanModel
import ScanRuns

/// Writes `tapline_internal.annulled`: the admissions that a verdict 64 annulled.
///
/// A verdict 64 annuls the nearest earlier admission of its tag in its journal.
struct AnnulledStore {
    /// A scan that became annulled, or is no longer annulled.
    struct Change: Equatable {
        var isAnnulled: Bool
        var journal: Int64
        var seq: Int64
        var tag: Int64
        var gate: Int64?
        /// Time of the scan, as `StoredScans.orderedMicros`.
        var orderedMicros: Int64
        var flags: Flags
    }

    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// Maximum number of new annulments of a journal whose admissions are searched one by one. A search without a
    /// result reads the journal back to its first scan. More annulments are matched in one pass over the journal.
    private static let searchesLimit = 50

    /// Writes the admissions that the annulments of these runs refer to.
    ///
    /// - Parameters:
    ///   - runs: the runs that are being tracked.
    ///   - reviewing: journals whose annulments are all matched again.
    /// - Returns: the scans that changed.
    func write(_ runs: [StoredScans], reviewing: Set<Int64>) throws(PostgresError) -> [Change] {
        var changes: [Change] = []
        var counts: [Int64: Int] = [:]
        for run in runs { counts[run.journal, default: 0] += run.annulments.count }
        let whole = reviewing.union(counts.lazy.filter { $0.value > AnnulledStore.searchesLimit }.map(\.key))
        if !whole.isEmpty {
            let journals = PostgresParameter.int64s(whole.sorted())
            changes += try self.changes(false, AnnulledStore.remove, [journals])
            changes += try self.changes(true, AnnulledStore.addAll, [journals])
        }
        var (journals, seqs, tags): ([Int64], [Int64], [Int64]) = ([], [], [])
        for run in runs where !whole.contains(run.journal) {
            for offset in run.annulments {
                journals.append(run.journal)
                seqs.append(run.first + Int64(offset))
                tags.append(run.tags[run.tags.startIndex + offset])
            }
        }
        if !journals.isEmpty {
            changes += try self.changes(true, AnnulledStore.add, [.int64s(journals), .int64s(seqs), .int64s(tags)])
        }
        return changes
    }

    /// Without void admissions, which were never counted.
    private static let changedScans = """
        SELECT k.journal_id, k.seq, s.tag_id, s.gate_id,
            tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at), s.flags
        FROM changed k CROSS JOIN LATERAL tapline_internal.scan_at(k.journal_id, k.seq) s
        WHERE NOT EXISTS (SELECT FROM tapline_internal.void_journals v
            WHERE v.journal_id = k.journal_id AND s.received_at >= v.since AND s.received_at < v.until)
        """
    private static let add = """
        WITH changed AS (
            INSERT INTO tapline_internal.annulled (journal_id, seq)
            SELECT DISTINCT a.journal_id, n.seq FROM unnest($1, $2, $3) AS a(journal_id, seq, tag_id)
            CROSS JOIN LATERAL (SELECT tapline_internal.annulled_seq(a.journal_id, a.seq, a.tag_id) AS seq) n
            WHERE n.seq IS NOT NULL
            ON CONFLICT DO NOTHING RETURNING journal_id, seq)
        \(changedScans)
        """
    private static let addAll = """
        WITH changed AS (
            INSERT INTO tapline_internal.annulled (journal_id, seq) SELECT * FROM tapline_internal.annulled_of($1)
            ON CONFLICT DO NOTHING RETURNING journal_id, seq)
        \(changedScans)
        """
    private static let remove = """
        WITH expected AS MATERIALIZED (SELECT * FROM tapline_internal.annulled_of($1)), changed AS (
            DELETE FROM tapline_internal.annulled x WHERE x.journal_id = ANY ($1)
                AND NOT EXISTS (SELECT FROM expected e WHERE e.journal_id = x.journal_id AND e.seq = x.seq)
            RETURNING journal_id, seq)
        \(changedScans)
        """

    /// Returns the annulled scans of these runs, as seqs by journal.
    func annulledSeqs(in runs: [StoredScans]) throws(PostgresError) -> [Int64: Set<Int64>] {
        let result = try connection.query(
            """
            SELECT x.journal_id, x.seq FROM unnest($1, $2, $3) AS r(journal_id, first, last)
            CROSS JOIN LATERAL (SELECT * FROM tapline_internal.annulled x
                WHERE x.journal_id = r.journal_id AND x.seq BETWEEN r.first AND r.last OFFSET 0) x
            """,
            [
                .int64s(runs.map(\.journal)), .int64s(runs.map(\.first)),
                .int64s(runs.map { $0.first + Int64($0.count) - 1 }),
            ], binary: true)
        var seqs: [Int64: Set<Int64>] = [:]
        for row in 0..<result.rowCount { seqs[result.int(row, 0), default: []].insert(result.int(row, 1)) }
        return seqs
    }

    private func changes(
        _ isAnnulled: Bool, _ sql: String, _ parameters: [PostgresParameter]
    ) throws(PostgresError) -> [Change] {
        let result = try connection.query(sql, parameters, binary: true)
        return (0..<result.rowCount).map { row in
            Change(
                isAnnulled: isAnnulled, journal: result.int(row, 0), seq: result.int(row, 1), tag: result.int(row, 2),
                gate: result.optionalInt(row, 3), orderedMicros: result.microseconds(row, 4),
                flags: Flags(rawValue: UInt8(truncatingIfNeeded: result.int(row, 5))))
        }
    }
}
