import Postgres
import ScanModel

/// Writes `tapline.presence`, within a transaction that holds the tracker's lock.
struct PresenceStore {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    private static let columns = """
        tag_id, attendee_id, zone_id, since, scanner_id, gate_id, direction, ordered_at, log, journal_id, seq
        """
    /// A query that turns sightings `n` into rows of `presence`.
    private static func rows(of sightings: String) -> String {
        """
        SELECT n.tag_id, t.attendee_id, CASE n.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END, n.ordered_at,
            n.scanner_id, n.gate_id, n.direction, n.ordered_at, n.log, n.journal_id, n.seq
        FROM \(sightings) n
        LEFT JOIN tapline.tags t ON t.tag_id = n.tag_id
        LEFT JOIN tapline.gates g ON g.id = n.gate_id
        """
    }

    private static let sightings = """
        unnest($1, $2, $3, $4, $5, $6, $7, $8)
            AS n(tag_id, ordered_at, log, journal_id, seq, direction, gate_id, scanner_id)
        """

    /// Moves tags to later sightings. A sighting that is earlier than the row of its tag has no effect.
    ///
    /// Most tags have a row already. An UPDATE costs half of an upsert. It need not look up the attendee, which a
    /// trigger keeps current.
    ///
    /// - Parameters:
    ///   - latest: one sighting per tag, sorted by tag.
    ///   - scanners: the scanner of each journal that a sighting names.
    func move(
        _ latest: [(tag: Int64, sighting: Sighting)], scanners: [Int64: String]
    ) throws(PostgresError) {
        guard !latest.isEmpty else { return }
        try connection.query(
            """
            UPDATE tapline.presence p SET
                zone_id = CASE n.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END, since = n.ordered_at,
                scanner_id = n.scanner_id, gate_id = n.gate_id, direction = n.direction, ordered_at = n.ordered_at,
                log = n.log, journal_id = n.journal_id, seq = n.seq
            FROM \(PresenceStore.sightings) LEFT JOIN tapline.gates g ON g.id = n.gate_id
            WHERE p.tag_id = n.tag_id AND (n.ordered_at, n.log, n.seq) > (p.ordered_at, p.log, p.seq)
            """, PresenceStore.parameters(latest, scanners))
        let missing = try connection.query(
            """
            SELECT n.tag_id FROM unnest($1) AS n(tag_id)
            WHERE NOT EXISTS (SELECT FROM tapline.presence p WHERE p.tag_id = n.tag_id)
            """, [.int64s(latest.map(\.tag))], binary: true)
        guard missing.rowCount > 0 else { return }
        let new = Set((0..<missing.rowCount).map { missing.int($0, 0) })
        try connection.query(
            "INSERT INTO tapline.presence (\(PresenceStore.columns)) "
                + PresenceStore.rows(of: "(SELECT * FROM \(PresenceStore.sightings))"),
            PresenceStore.parameters(latest.filter { new.contains($0.tag) }, scanners))
    }

    private static func parameters(
        _ latest: [(tag: Int64, sighting: Sighting)], _ scanners: [Int64: String]
    ) -> [PostgresParameter] {
        [
            .int64s(latest.map(\.tag)), .timestamps(latest.map(\.sighting.orderedAt)),
            .uuids(latest.map(\.sighting.uuid)),
            .int64s(latest.map(\.sighting.journal)), .int64s(latest.map(\.sighting.seq)),
            .int16s(latest.map(\.sighting.direction)), .optionalInt64s(latest.map(\.sighting.gate)),
            .texts(latest.map { scanners[$0.sighting.journal] ?? "" }),
        ]
    }

    /// Returns the tags whose position is one of these annulled admissions. Only these need a recomputation.
    func tags(at annulled: [AnnulledStore.Change]) throws(PostgresError) -> [Int64] {
        guard !annulled.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT p.tag_id FROM unnest($1, $2, $3) AS a(tag_id, journal_id, seq)
            JOIN tapline.presence p ON p.tag_id = a.tag_id AND p.journal_id = a.journal_id AND p.seq = a.seq
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
        let source =
            tags.count > PresenceStore.searchesLimit ? "tapline.scans s" : "wanted w, tapline.scans_of(w.tag_id) s"
        try connection.query(
            """
            WITH wanted AS (SELECT * FROM unnest($1) AS w(tag_id)),
            own AS (
                SELECT s.tag_id,
                    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS ordered_at,
                    s.journal_id, s.seq, s.flags, s.gate_id
                FROM \(source)
                WHERE s.tag_id = ANY ($1) AND s.verdict = 0 AND s.flags & 16 <> 16
                    AND NOT EXISTS (
                        SELECT FROM tapline_internal.annulled x WHERE x.journal_id = s.journal_id AND x.seq = s.seq)),
            last AS (
                SELECT DISTINCT ON (o.tag_id) o.tag_id, o.ordered_at, j.log, o.journal_id, o.seq,
                    (o.flags & 1)::smallint AS direction, o.gate_id, j.scanner_id
                FROM own o JOIN tapline.journals j ON j.id = o.journal_id
                ORDER BY o.tag_id, o.ordered_at DESC, j.log DESC, o.seq DESC),
            gone AS (
                DELETE FROM tapline.presence p USING wanted w
                WHERE p.tag_id = w.tag_id AND NOT EXISTS (SELECT FROM last l WHERE l.tag_id = w.tag_id)
                    AND NOT EXISTS (
                        SELECT FROM tapline.journals j WHERE j.id = p.journal_id AND p.seq <= j.retired_seq))
            INSERT INTO tapline.presence AS p (\(PresenceStore.columns))
            \(PresenceStore.rows(of: "last"))
            ON CONFLICT (tag_id) DO UPDATE SET
                attendee_id = excluded.attendee_id, zone_id = excluded.zone_id, since = excluded.since,
                scanner_id = excluded.scanner_id, gate_id = excluded.gate_id, direction = excluded.direction,
                ordered_at = excluded.ordered_at, log = excluded.log, journal_id = excluded.journal_id,
                seq = excluded.seq
            WHERE (excluded.ordered_at, excluded.log, excluded.seq) > (p.ordered_at, p.log, p.seq)
                OR NOT EXISTS (SELECT FROM tapline.journals j WHERE j.id = p.journal_id AND p.seq <= j.retired_seq)
            """, [.int64s(tags)])
    }
}
