import Postgres
import ScanBatchCodec
import ScanModel

/// Reads and writes the journals of a group and their scans. `StoreStages.swift` defines the order of the calls.
///
/// A journal's row is locked before its scans are compared, and written once per group.
struct JournalTable {
    let connection: PostgresConnection

    /// Locks the rows of all `keys`, in the order of their row IDs, and inserts the missing ones.
    ///
    /// - Parameters:
    ///   - keys: the journals of the group, each once, in the order of receipt.
    ///   - seqs: the seqs that are compared with each journal. Only the gaps near them are read.
    ///   - receivedMicros: time of the first receipt for new journals, microseconds since 1970-01-01 UTC.
    ///   - newJournals: limits the journals that a scanner begins; `nil` does not.
    /// - Returns: the rows, without those of journals that their scanners may not begin now.
    func lock(
        _ keys: [JournalKey], seqs: [JournalKey: [ClosedRange<Int64>]], receivedMicros: Int64,
        newJournals: ScannerLimits.Rate?
    ) throws(PostgresError) -> [JournalKey: JournalRow] {
        guard !keys.isEmpty else { return [:] }
        var columns = try select(keys)
        let begun = try begun(keys.filter { columns[$0] == nil }, newJournals)
        // Sorted, so that two writers that insert the same journals do not deadlock.
        let missing = begun.sorted { ($0.journalID, $0.scanner) < ($1.journalID, $1.scanner) }
        if !missing.isEmpty {
            try connection.query(
                """
                INSERT INTO tapline.journals (log, scanner_id, first_received_at, last_received_at, known_until)
                SELECT log, scanner_id, $3, $3, '-infinity' FROM unnest($1, $2) AS n(log, scanner_id)
                ON CONFLICT (log, scanner_id) DO NOTHING
                """, JournalTable.parameters(missing) + [.timestamp(receivedMicros)])
            columns.merge(try select(missing)) { $1 }
        }
        let gaps = try lockGaps(of: columns.filter { $0.value.next <= $0.value.last }, near: seqs)
        var rows: [JournalKey: JournalRow] = [:]
        for (key, columns) in columns {
            rows[key] = JournalRow(columns, key: key, gaps: SeqGaps(gaps[columns.id] ?? []))
        }
        return rows
    }

    /// Returns those of new journals that their scanners may begin now: the first ones of each scanner.
    private func begun(
        _ missing: [JournalKey], _ rate: ScannerLimits.Rate?
    ) throws(PostgresError) -> [JournalKey] {
        guard let rate, !missing.isEmpty else { return missing }
        var wanted: [String: Int64] = [:]
        for key in missing { wanted[key.scanner, default: 0] += 1 }
        let scanners = wanted.keys.sorted()
        let result = try connection.query(
            """
            SELECT scanner, tapline_internal.take_journals(scanner, wanted, $3, $4)
            FROM unnest($1, $2) AS n(scanner, wanted)
            """,
            [
                .texts(scanners), .int64s(scanners.map { wanted[$0] ?? 0 }), .int64(rate.atOnce), .int64(rate.perHour),
            ], binary: true)
        var left: [String: Int64] = [:]
        for row in 0..<result.rowCount { left[result.text(row, 0)] = result.int(row, 1) }
        var begun: [JournalKey] = []
        for key in missing {
            guard let count = left[key.scanner], count > 0 else { continue }
            left[key.scanner] = count - 1
            begun.append(key)
        }
        return begun
    }

    private static func parameters(_ keys: [JournalKey]) -> [PostgresParameter] {
        [.uuids(keys.map(\.uuid)), .texts(keys.map(\.scanner))]
    }

    private func select(_ keys: [JournalKey]) throws(PostgresError) -> [JournalKey: JournalRow.Columns] {
        let result = try connection.query(
            """
            SELECT j.id, j.log, j.scanner_id, j.last_seq, j.next_seq, j.annulments, j.announced_seq,
                array_to_string(j.skews, ','), j.retired_seq
            FROM unnest($1, $2) AS w(log, scanner_id)
            JOIN tapline.journals j ON j.log = w.log AND j.scanner_id = w.scanner_id
            ORDER BY j.id FOR UPDATE OF j
            """, JournalTable.parameters(keys), binary: true)
        var columns: [JournalKey: JournalRow.Columns] = [:]
        for row in 0..<result.rowCount {
            let uuid = result.uuid(row, 1)
            let key = JournalKey(
                journalID: JournalID(high: uuid.high, low: uuid.low), scanner: result.text(row, 2))
            columns[key] = JournalRow.Columns(
                id: result.int(row, 0), last: result.int(row, 3), next: result.int(row, 4),
                annulments: result.int(row, 5),
                skews: result.text(row, 7).split(separator: ",").compactMap { Int64($0) },
                announced: result.int(row, 6), retired: result.int(row, 8))
        }
        return columns
    }

    /// Returns the gaps of these journals that the scans of `seqs` can change, by row ID: the first gap of each journal,
    /// those that overlap a range, and the first one after it.
    ///
    /// A faulty device may leave any number of gaps. After all scans of the ranges are stored, the first gap that is
    /// left is one of these.
    private func lockGaps(
        of journals: [JournalKey: JournalRow.Columns], near seqs: [JournalKey: [ClosedRange<Int64>]]
    ) throws(PostgresError) -> [Int64: [SeqGaps.Gap]] {
        guard !journals.isEmpty else { return [:] }
        var (ids, firsts, lasts): ([Int64], [Int64], [Int64]) = ([], [], [])
        for (key, columns) in journals {
            // Seq 0 stands before the first gap.
            for range in (seqs[key] ?? []) + [0...0] {
                ids.append(columns.id)
                firsts.append(range.lowerBound)
                lasts.append(range.upperBound)
            }
        }
        let result = try connection.query(
            """
            SELECT g.* FROM (
                SELECT DISTINCT w.journal, n.first_seq FROM unnest($1, $2, $3) AS w(journal, first, last)
                CROSS JOIN LATERAL (
                    SELECT first_seq FROM tapline_internal.journal_gaps
                    WHERE journal_id = w.journal AND first_seq <= w.last AND first_seq >= coalesce((
                        SELECT max(first_seq) FROM tapline_internal.journal_gaps
                        WHERE journal_id = w.journal AND first_seq <= w.first), w.first)
                    UNION ALL (SELECT first_seq FROM tapline_internal.journal_gaps
                        WHERE journal_id = w.journal AND first_seq > w.last ORDER BY first_seq LIMIT 1)) n
                ORDER BY 1, 2) k
            CROSS JOIN LATERAL (
                SELECT journal_id, first_seq, last_seq, accepted_at FROM tapline_internal.journal_gaps
                WHERE journal_id = k.journal AND first_seq = k.first_seq FOR UPDATE) g
            """, [.int64s(ids), .int64s(firsts), .int64s(lasts)], binary: true)
        var gaps: [Int64: [SeqGaps.Gap]] = [:]
        for row in 0..<result.rowCount {
            gaps[result.int(row, 0), default: []].append(
                SeqGaps.Gap(
                    first: result.int(row, 1), last: result.int(row, 2),
                    acceptedAt: result.optionalMicroseconds(row, 3)))
        }
        return gaps
    }

    /// Returns when snapshots were created, in microseconds since 1970-01-01 UTC, by version.
    func creationTimes(ofSnapshots versions: Set<Int64>) throws(PostgresError) -> [Int64: Int64] {
        guard !versions.isEmpty else { return [:] }
        let result = try connection.query(
            "SELECT version, created_at FROM tapline.snapshots WHERE version = ANY ($1)",
            [.int64s(versions.sorted())], binary: true)
        var times: [Int64: Int64] = [:]
        for row in 0..<result.rowCount { times[result.int(row, 0)] = result.microseconds(row, 1) }
        return times
    }
}
