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
    ///   - keys: the journals of the group.
    ///   - receivedMicros: time of the first receipt for new journals, microseconds since 1970-01-01 UTC.
    func lock(_ keys: Set<JournalKey>, receivedMicros: Int64) throws(PostgresError) -> [JournalKey: JournalRow] {
        guard !keys.isEmpty else { return [:] }
        // Sorted, so that two writers that insert the same journals do not deadlock.
        let keys = keys.sorted { ($0.journalID, $0.scanner) < ($1.journalID, $1.scanner) }
        var columns = try select(keys)
        let missing = keys.filter { columns[$0] == nil }
        if !missing.isEmpty {
            try connection.query(
                """
                INSERT INTO tapline.journals (log, scanner_id, first_received_at, last_received_at)
                SELECT log, scanner_id, $3, $3 FROM unnest($1, $2) AS n(log, scanner_id)
                ON CONFLICT (log, scanner_id) DO NOTHING
                """, JournalTable.parameters(missing) + [.timestamp(receivedMicros)])
            columns.merge(try select(missing)) { $1 }
        }
        let gaps = try lockGaps(of: columns.values.filter { $0.next <= $0.last }.map(\.id).sorted())
        var rows: [JournalKey: JournalRow] = [:]
        for (key, columns) in columns {
            rows[key] = JournalRow(columns, key: key, gaps: SeqGaps(gaps[columns.id] ?? []))
        }
        return rows
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

    /// Returns the gaps of these journals, by row ID.
    private func lockGaps(of journals: [Int64]) throws(PostgresError) -> [Int64: [SeqGaps.Gap]] {
        guard !journals.isEmpty else { return [:] }
        let result = try connection.query(
            """
            SELECT journal_id, first_seq, last_seq, accepted_at
            FROM tapline_internal.journal_gaps WHERE journal_id = ANY ($1)
            ORDER BY journal_id, first_seq FOR UPDATE
            """, [.int64s(journals)], binary: true)
        var gaps: [Int64: [SeqGaps.Gap]] = [:]
        for row in 0..<result.rowCount {
            gaps[result.int(row, 0), default: []].append(
                SeqGaps.Gap(
                    first: result.int(row, 1), last: result.int(row, 2),
                    acceptedAt: result.optionalMicroseconds(row, 3)))
        }
        return gaps
    }

    // MARK: Comparison with stored scans

    /// Returns the indices of the batches that were stored before unchanged.
    func known(_ candidates: [(index: Int, batch: BatchIdentity)]) throws(PostgresError) -> [Int] {
        guard !candidates.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT n.index FROM unnest($1, $2, $3, $4, $5) AS n(index, journal_id, first_seq, last_seq, digest)
            JOIN tapline_internal.batches b ON b.journal_id = n.journal_id AND b.first_seq = n.first_seq
                AND b.last_seq = n.last_seq AND b.digest = n.digest
            """,
            [
                .int64s(candidates.map { Int64($0.index) }), .int64s(candidates.map(\.batch.journal)),
                .int64s(candidates.map(\.batch.first)), .int64s(candidates.map(\.batch.last)),
                .bytesArray(candidates.map(\.batch.digest)),
            ], binary: true)
        return (0..<result.rowCount).map { Int(result.int($0, 0)) }
    }

    /// Returns every stored scan in the ranges, by seq.
    func storedScans(
        _ lookups: [JournalLookup]
    ) throws(PostgresError) -> [JournalKey: [Int64: ScanContent]] {
        guard !lookups.isEmpty else { return [:] }
        var (journals, firsts, lasts): ([Int64], [Int64], [Int64]) = ([], [], [])
        var keys: [Int64: JournalKey] = [:]
        for lookup in lookups {
            keys[lookup.journal] = lookup.key
            for range in JournalTable.merged(lookup.ranges) {
                journals.append(lookup.journal)
                firsts.append(range.lowerBound)
                lasts.append(range.upperBound)
            }
        }
        // OFFSET 0 forces one index range per row, whatever the planner estimates for the number of scans.
        let result = try connection.query(
            """
            SELECT r.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags
            FROM unnest($1, $2, $3) AS r(journal_id, first, last)
            CROSS JOIN LATERAL (SELECT * FROM tapline.scans s
                WHERE s.journal_id = r.journal_id AND s.seq BETWEEN r.first AND r.last OFFSET 0) s
            """, [.int64s(journals), .int64s(firsts), .int64s(lasts)], binary: true)
        var scans: [JournalKey: [Int64: ScanContent]] = [:]
        for row in 0..<result.rowCount {
            guard let key = keys[result.int(row, 0)] else { continue }
            scans[key, default: [:]][result.int(row, 1)] = ScanContent(
                tag: result.int(row, 2), atMicros: result.microseconds(row, 3),
                verdict: UInt8(truncatingIfNeeded: result.int(row, 4)),
                flags: UInt8(truncatingIfNeeded: result.int(row, 5)))
        }
        return scans
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

    private static func merged(_ ranges: [ClosedRange<Int64>]) -> [ClosedRange<Int64>] {
        var merged: [ClosedRange<Int64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}

/// Ranges of one journal whose stored scans are to be read.
struct JournalLookup {
    let key: JournalKey
    /// The row ID of the journal.
    let journal: Int64
    /// In any order; may overlap.
    var ranges: [ClosedRange<Int64>] = []
}
