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
