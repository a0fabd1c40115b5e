import Postgres
import ScanBatchCodec
import ScanModel

/// `tapline.journals` and `tapline_internal.journal_gaps`: rows locked before anything is decided, written once a group.
struct JournalTable {
    let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    // MARK: Reading

    /// The rows of all `keys`, made where missing, locked in the order of their ids.
    /// - Parameter receivedMicros: when the center first heard of those that are new.
    func lock(_ keys: Set<JournalKey>, receivedMicros: Int64) throws(PostgresError) -> [JournalKey: JournalRow] {
        // Sorted, so that two writers that insert the same journals do not wait for each other in a circle.
        let keys = keys.sorted { ($0.log, $0.scanner) < ($1.log, $1.scanner) }
        var rows = try select(keys)
        let missing = keys.filter { rows[$0] == nil }
        if !missing.isEmpty {
            try connection.query(
                """
                INSERT INTO tapline.journals (log, scanner_id, first_received_at, last_received_at)
                SELECT log, scanner_id, $3, $3 FROM unnest($1, $2) AS n(log, scanner_id)
                ON CONFLICT (log, scanner_id) DO NOTHING
                """, JournalTable.parameters(missing) + [.timestamp(receivedMicros)])
            rows.merge(try select(missing)) { $1 }
        }
        try loadGaps(&rows)
        return rows
    }

    private static func parameters(_ keys: [JournalKey]) -> [PostgresParameter] {
        [.uuids(keys.map(\.uuid)), .texts(keys.map(\.scanner))]
    }

    private func select(_ keys: [JournalKey]) throws(PostgresError) -> [JournalKey: JournalRow] {
        let result = try connection.query(
            """
            SELECT j.id, j.log, j.scanner_id, j.last_seq, j.next_seq, j.annulments, j.announced_seq,
                array_to_string(j.skews, ','), j.retired_seq
            FROM unnest($1, $2) AS w(log, scanner_id)
            JOIN tapline.journals j ON j.log = w.log AND j.scanner_id = w.scanner_id
            ORDER BY j.id FOR UPDATE OF j
            """, JournalTable.parameters(keys), binary: true)
        var rows: [JournalKey: JournalRow] = [:]
        for row in 0..<result.rowCount {
            let uuid = result.uuid(row, 1)
            let key = JournalKey(log: JournalID(high: uuid.high, low: uuid.low), scanner: result.text(row, 2))
            rows[key] = JournalRow(
                id: result.int(row, 0), key: key, last: result.int(row, 3), next: result.int(row, 4),
                annulments: result.int(row, 5),
                skews: result.text(row, 7).split(separator: ",").compactMap { Int64($0) },
                announced: result.int(row, 6), retired: result.int(row, 8), gaps: SeqGaps())
        }
        return rows
    }

    private func loadGaps(_ rows: inout [JournalKey: JournalRow]) throws(PostgresError) {
        let gappy = rows.values.filter { $0.nextBefore <= $0.ledger.lastStored }.map(\.id).sorted()
        guard !gappy.isEmpty else { return }
        let result = try connection.query(
            """
            SELECT journal_id, first_seq, last_seq, accepted_at
            FROM tapline_internal.journal_gaps WHERE journal_id = ANY ($1)
            ORDER BY journal_id, first_seq FOR UPDATE
            """, [.int64s(gappy)], binary: true)
        var gaps: [Int64: [SeqGaps.Gap]] = [:]
        for row in 0..<result.rowCount {
            gaps[result.int(row, 0), default: []].append(
                SeqGaps.Gap(
                    first: result.int(row, 1), last: result.int(row, 2),
                    acceptedAt: result.optionalMicroseconds(row, 3)))
        }
        for (key, row) in rows {
            guard let found = gaps[row.id] else { continue }
            rows[key] = JournalRow(
                id: row.id, key: key, last: row.ledger.lastStored, next: row.nextBefore, annulments: row.annulments,
                skews: row.skews.values, announced: row.announced,
                retired: row.retired, gaps: SeqGaps(found))
        }
    }

    /// Which of the batches were stored before as they are; by their index.
    func known(
        _ suspects: [(index: Int, journal: Int64, batch: ScanBatch, digest: [UInt8])]
    ) throws(PostgresError) -> [Int] {
        guard !suspects.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT n.index FROM unnest($1, $2, $3, $4, $5) AS n(index, journal_id, first_seq, last_seq, digest)
            JOIN tapline_internal.batches b ON b.journal_id = n.journal_id AND b.first_seq = n.first_seq
                AND b.last_seq = n.last_seq AND b.digest = n.digest
            """,
            [
                .int64s(suspects.map { Int64($0.index) }), .int64s(suspects.map(\.journal)),
                .int64s(suspects.map(\.batch.first)), .int64s(suspects.map(\.batch.last)),
                .bytesArray(suspects.map(\.digest)),
            ], binary: true)
        return (0..<result.rowCount).map { Int(result.int($0, 0)) }
    }

    /// Every scan that is stored in the ranges, into the ledgers.
    func lookUp(
        _ ranges: [JournalKey: [ClosedRange<Int64>]], into rows: inout [JournalKey: JournalRow]
    ) throws(PostgresError) {
        var (journals, firsts, lasts): ([Int64], [Int64], [Int64]) = ([], [], [])
        var keys: [Int64: JournalKey] = [:]
        for (key, list) in ranges {
            guard let id = rows[key]?.id else { continue }
            keys[id] = key
            for range in JournalTable.merged(list) {
                journals.append(id)
                firsts.append(range.lowerBound)
                lasts.append(range.upperBound)
            }
        }
        // OFFSET 0 keeps it one index range a row, whatever the planner thinks of the number of scans.
        let result = try connection.query(
            """
            SELECT r.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags
            FROM unnest($1, $2, $3) AS r(journal_id, first, last)
            CROSS JOIN LATERAL (SELECT * FROM tapline.scans s
                WHERE s.journal_id = r.journal_id AND s.seq BETWEEN r.first AND r.last OFFSET 0) s
            """, [.int64s(journals), .int64s(firsts), .int64s(lasts)], binary: true)
        for row in 0..<result.rowCount {
            guard let key = keys[result.int(row, 0)] else { continue }
            rows[key]?.ledger.stored[result.int(row, 1)] = ScanContent(
                tag: result.int(row, 2), atMicros: result.microseconds(row, 3),
                verdict: UInt8(truncatingIfNeeded: result.int(row, 4)),
                flags: UInt8(truncatingIfNeeded: result.int(row, 5)))
        }
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
