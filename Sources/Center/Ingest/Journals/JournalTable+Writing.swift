import Postgres
import ScanModel
import ScanRuns

extension JournalTable {
    /// Writes the times of new scans under an untrusted clock.
    func writeTimes(of runs: [StoredScans]) throws(PostgresError) {
        var (journals, seqs, times): ([Int64], [Int64], [Int64]) = ([], [], [])
        let doubt = Flags.clockNotTrusted.rawValue
        for run in runs {
            guard let placed = run.placedMicros else { continue }
            for (offset, flags) in run.flags.enumerated() where flags & doubt != 0 {
                journals.append(run.journal)
                seqs.append(run.first + Int64(offset))
                times.append(placed[placed.startIndex + offset])
            }
        }
        guard !journals.isEmpty else { return }
        // A row can exist only if an operator has deleted the run of the scan.
        try connection.query(
            """
            INSERT INTO tapline_internal.scan_times (journal_id, seq, placed_at) SELECT * FROM unnest($1, $2, $3)
            ON CONFLICT (journal_id, seq) DO UPDATE SET placed_at = excluded.placed_at
            """, [.int64s(journals), .int64s(seqs), .timestamps(times)])
    }

    /// Writes the changes of the group to its journals and their gaps.
    func write(_ rows: some Collection<JournalRow>) throws(PostgresError) {
        let rows = rows.sorted { $0.id < $1.id }
        try writeTouched(rows.filter(\.isTouched))
        try writeAnnounced(rows.filter(\.hasAnnounced))
        try writeGaps(rows.filter { $0.ledger.gaps != $0.gapsBefore })
    }

    /// An older batch, from a replay or a file, says nothing about the current state of the scanner. `sent` of a clock
    /// that is not trusted says nothing: then the receipt counts.
    private func writeTouched(_ rows: [JournalRow]) throws(PostgresError) {
        guard !rows.isEmpty else { return }
        try connection.query(
            """
            UPDATE tapline.journals j SET
                next_seq = n.next_seq, last_seq = n.last_seq, received = j.received + n.received,
                stored = j.stored + n.stored, duplicates = j.duplicates + n.duplicates,
                conflicts = j.conflicts + n.conflicts, annulments = n.annulments,
                last_received_at = greatest(j.last_received_at, n.received_at),
                backlog = CASE WHEN n.received_at < j.last_received_at THEN j.backlog ELSE n.backlog END,
                snapshot_version =
                    CASE WHEN n.received_at < j.last_received_at THEN j.snapshot_version ELSE n.snapshot_version END,
                gate_id = CASE WHEN n.received_at < j.last_received_at THEN j.gate_id ELSE n.gate_id END,
                state = CASE WHEN n.received_at < j.last_received_at THEN j.state
                    ELSE coalesce(n.state::jsonb, j.state) END,
                skews = n.skews::bigint[], clock_skew = n.skew * interval '1 microsecond',
                known_until = greatest(j.known_until, n.known_until, CASE WHEN concat(' ',
                    coalesce(n.state::jsonb, j.state) ->> 'alarms', ' ') LIKE '% clock %' THEN n.emptied_at END)
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) AS n(
                id, next_seq, last_seq, received, stored, duplicates, conflicts, annulments, received_at, backlog,
                snapshot_version, gate_id, skews, skew, state, known_until, emptied_at)
            WHERE j.id = n.id
            """,
            [
                .int64s(rows.map(\.id)), .int64s(rows.map(\.ledger.next)), .int64s(rows.map(\.ledger.last)),
                .int64s(rows.map(\.received)), .int64s(rows.map(\.stored)), .int64s(rows.map(\.duplicates)),
                .int64s(rows.map(\.conflicts)), .int64s(rows.map(\.annulments)),
                .timestamps(rows.map(\.receivedMicros)), .int64s(rows.map(\.backlog)), .int64s(rows.map(\.snapshot)),
                .optionalInt64s(rows.map(\.gate)),
                .texts(rows.map { "{" + $0.skews.values.map(String.init).joined(separator: ",") + "}" }),
                .optionalInt64s(rows.map(\.skews.skew)), .optionalTexts(rows.map(\.state)),
                .optionalTimestamps(rows.map(\.knownMicros)), .optionalTimestamps(rows.map(\.emptiedMicros)),
            ])
    }

    private func writeAnnounced(_ rows: [JournalRow]) throws(PostgresError) {
        guard !rows.isEmpty else { return }
        try connection.query(
            """
            UPDATE tapline.journals j SET announced_seq = n.seq FROM unnest($1, $2) AS n(id, seq)
            WHERE j.id = n.id AND j.announced_seq < n.seq
            """, [.int64s(rows.map(\.id)), .int64s(rows.map(\.announced))])
    }

    private func writeGaps(_ rows: [JournalRow]) throws(PostgresError) {
        var deleted: (journals: [Int64], firsts: [Int64]) = ([], [])
        var inserted: [(journal: Int64, gap: SeqGaps.Gap)] = []
        for row in rows {
            let changes = row.ledger.gaps.changes(from: row.gapsBefore)
            deleted.journals += changes.deleted.map { _ in row.id }
            deleted.firsts += changes.deleted
            inserted += changes.inserted.map { (row.id, $0) }
        }
        if !deleted.firsts.isEmpty {
            try connection.query(
                """
                DELETE FROM tapline_internal.journal_gaps g USING unnest($1, $2) AS d(journal_id, first_seq)
                WHERE g.journal_id = d.journal_id AND g.first_seq = d.first_seq
                """, [.int64s(deleted.journals), .int64s(deleted.firsts)])
        }
        guard !inserted.isEmpty else { return }
        try connection.query(
            """
            INSERT INTO tapline_internal.journal_gaps (journal_id, first_seq, last_seq, accepted_at)
            SELECT * FROM unnest($1, $2, $3, $4)
            """,
            [
                .int64s(inserted.map(\.journal)), .int64s(inserted.map(\.gap.first)), .int64s(inserted.map(\.gap.last)),
                .optionalTimestamps(inserted.map(\.gap.acceptedAt)),
            ])
    }

    /// Queues the new scans for tracking.
    func queueForTracking(_ runs: [StoredScans]) throws(PostgresError) {
        guard !runs.isEmpty else { return }
        try connection.query(
            """
            INSERT INTO tapline_internal.tracking_queue (journal_id, first_seq, last_seq, earliest)
            SELECT * FROM unnest($1, $2, $3, $4)
            """,
            [
                .int64s(runs.map(\.journal)), .int64s(runs.map(\.first)),
                .int64s(runs.map { $0.first + Int64($0.count) - 1 }), .timestamps(runs.map(\.span.lowerBound)),
            ])
    }

    /// Writes the notes of scans. The first note of a scan stays.
    func write(notes: [ScanNote]) throws(PostgresError) {
        guard !notes.isEmpty else { return }
        try connection.query(
            """
            INSERT INTO tapline_internal.scan_notes (journal_id, seq, note) SELECT * FROM unnest($1, $2, $3)
            ON CONFLICT DO NOTHING
            """,
            [.int64s(notes.map(\.journal)), .int64s(notes.map(\.seq)), .texts(notes.map(\.text))])
    }
}

/// The reason of an operator for a scan.
struct ScanNote {
    /// The row ID of the journal.
    let journal: Int64
    let seq: Int64
    let text: String
}
