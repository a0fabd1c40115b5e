import Postgres
import ScanModel

/// Writes `tapline_internal.tag_positions`, from which `tapline.presence` follows, within a transaction that holds the
/// tracker's lock.
struct PresenceStore {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// Whether row `n` is later than row `p` in the order of contract.md section 4. Equal times are rare, so the journal
    /// IDs are looked up only then.
    private static func isLater(_ n: String, than p: String) -> String {
        """
        (\(n).ordered_at > \(p).ordered_at OR \(n).ordered_at = \(p).ordered_at AND
            ((SELECT log FROM tapline.journals WHERE id = \(n).journal_id), \(n).seq) >
            ((SELECT log FROM tapline.journals WHERE id = \(p).journal_id), \(p).seq))
        """
    }

    /// Maximum number of tags of one statement, which bounds the memory of its parameters.
    private static let tagsLimit = 65_536

    /// Moves tags to later sightings. A sighting that is earlier than the row of its tag has no effect.
    func move(_ fold: PresenceFold) throws(PostgresError) {
        let tags = fold.sortedTags
        for start in stride(from: 0, to: tags.count, by: PresenceStore.tagsLimit) {
            let part = tags[start..<min(start + PresenceStore.tagsLimit, tags.count)]
            try move(part.map { ($0.tag, fold.last($0.index)) })
        }
    }

    /// - Parameter latest: one sighting per tag, sorted by tag.
    private func move(_ latest: [(tag: Int64, sighting: Sighting)]) throws(PostgresError) {
        // MERGE writes half of what an upsert writes. The arrays are unnested in the SELECT list, because a function in
        // FROM would copy them once more.
        try connection.query(
            """
            MERGE INTO tapline_internal.tag_positions p
            USING (
                SELECT unnest($1) AS tag_id, unnest($2) AS ordered_at, unnest($3) AS journal_id, unnest($4) AS seq,
                    unnest($5) AS gate_id, unnest($6) AS direction) n
            ON p.tag_id = n.tag_id
            WHEN MATCHED AND \(PresenceStore.isLater("n", than: "p")) THEN UPDATE SET
                ordered_at = n.ordered_at, journal_id = n.journal_id, seq = n.seq, gate_id = n.gate_id,
                direction = n.direction
            WHEN NOT MATCHED THEN INSERT (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (n.tag_id, n.ordered_at, n.journal_id, n.seq, n.gate_id, n.direction)
            """,
            [
                .int64s(latest.map(\.tag)), .timestamps(latest.map(\.sighting.orderedAt)),
                .int64s(latest.map(\.sighting.journal)), .int64s(latest.map(\.sighting.seq)),
                .optionalInt64s(latest.map(\.sighting.gate)), .int16s(latest.map(\.sighting.direction)),
            ])
    }

    /// Returns the tags whose position is one of these annulled admissions. Only these need a recomputation.
    func tags(at annulled: [AnnulledStore.Change]) throws(PostgresError) -> [Int64] {
        guard !annulled.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT p.tag_id FROM unnest($1, $2, $3) AS a(tag_id, journal_id, seq)
            JOIN tapline_internal.tag_positions p
                ON p.tag_id = a.tag_id AND p.journal_id = a.journal_id AND p.seq = a.seq
            """,
            [.int64s(annulled.map(\.tag)), .int64s(annulled.map(\.journal)), .int64s(annulled.map(\.seq))], binary: true
        )
        return (0..<result.rowCount).map { result.int($0, 0) }
    }

    /// Maximum number of tags that are searched one by one, which takes milliseconds each. More are found in one pass
    /// over all scans.
    private static let searchesLimit = 200

    /// Computes the rows of these tags from all their scans, as defined in contract.md sections 4 and 5.
    ///
    /// A row stays as it is if retention has dropped its scan and no later scan is stored.
    func recompute(_ tags: [Int64]) throws(PostgresError) {
        let function = tags.count > PresenceStore.searchesLimit ? "positions_of" : "searched_positions_of"
        let isDropped = "EXISTS (SELECT FROM tapline.journals j WHERE j.id = p.journal_id AND p.seq <= j.retired_seq)"
        try connection.query(
            """
            WITH found AS MATERIALIZED (SELECT * FROM tapline_internal.\(function)($1)),
            gone AS (
                DELETE FROM tapline_internal.tag_positions p WHERE p.tag_id = ANY ($1)
                    AND NOT EXISTS (SELECT FROM found f WHERE f.tag_id = p.tag_id) AND NOT \(isDropped))
            INSERT INTO tapline_internal.tag_positions AS p (tag_id, ordered_at, journal_id, seq, gate_id, direction)
            SELECT tag_id, ordered_at, journal_id, seq, gate_id, direction FROM found
            ON CONFLICT (tag_id) DO UPDATE SET
                ordered_at = excluded.ordered_at, journal_id = excluded.journal_id, seq = excluded.seq,
                gate_id = excluded.gate_id, direction = excluded.direction
            WHERE \(PresenceStore.isLater("excluded", than: "p")) OR NOT \(isDropped)
            """, [.int64s(tags)])
    }
}
