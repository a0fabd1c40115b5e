import Postgres
import ScanModel

extension DoubleAdmissions {
    /// Notes those that follow from passages as they come, before `presence` moves: it still says where their people stood.
    ///
    /// Only of a passage that comes after all that its person's bands did before, as nearly all do on a normal day. Whatever
    /// arrives late is found, and whatever it contradicts is taken back, by the next look at the day.
    /// - Parameter doubting: tags whose place in `presence` may be an admission that was annulled in this transaction.
    static func note(
        _ passages: [(tag: Int64, sighting: Sighting)], doubting: [Int64], _ connection: PostgresConnection
    ) throws(PostgresError) {
        guard passages.contains(where: { !$0.sighting.isOut }) else { return }
        try connection.query(
            noting,
            [
                .int64s(passages.map(\.tag)), .timestamps(passages.map(\.sighting.orderedAt)),
                .uuids(passages.map { PostgresUUID(high: $0.sighting.log.high, low: $0.sighting.log.low) }),
                .int64s(passages.map(\.sighting.journal)), .int64s(passages.map(\.sighting.seq)),
                .int16s(passages.map { $0.sighting.isOut ? 1 : 0 }), .optionalInt64s(passages.map(\.sighting.gate)),
                .int64s(doubting),
            ])
    }

    /// `tapline.find_double_admissions` over the new passages and where their people stood, instead of all scans of a day.
    /// What stands at or after a passage hides what was before it, so that passage is left to the look at the day.
    private static let noting = """
        WITH new AS (
            SELECT t.attendee_id, n.*, true AS is_new
            FROM unnest($1, $2, $3, $4, $5, $6, $7) AS n(tag_id, ordered_at, log, journal_id, seq, direction, gate_id)
            LEFT JOIN tapline.tags t ON t.tag_id = n.tag_id),
        bands AS (
            SELECT t.tag_id FROM tapline.tags t WHERE t.attendee_id IN (SELECT attendee_id FROM new)
            UNION SELECT tag_id FROM new),
        passages AS (
            SELECT * FROM new
            UNION ALL
            SELECT p.attendee_id, p.tag_id, p.ordered_at, p.log, p.journal_id, p.seq, p.direction, p.gate_id, false
            FROM tapline.presence p WHERE p.tag_id IN (SELECT tag_id FROM bands)),
        ordered AS (
            SELECT p.*, g.zone_id, lag(p.direction) OVER day AS first_direction, lag(g.zone_id) OVER day AS first_zone_id,
                lag(p.gate_id) OVER day AS first_gate_id, lag(p.ordered_at) OVER day AS first_at,
                lag(p.tag_id) OVER day AS first_tag_id, lag(p.journal_id) OVER day AS first_journal_id,
                lag(p.seq) OVER day AS first_seq,
                bool_and(p.is_new) OVER (person RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS is_last,
                bool_or(p.tag_id = ANY ($8)) OVER (
                    PARTITION BY p.attendee_id, CASE WHEN p.attendee_id IS NULL THEN p.tag_id END) AS is_doubtful
            FROM passages p
            LEFT JOIN tapline.gates g ON g.id = p.gate_id
            CROSS JOIN (
                SELECT coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start
                FROM tapline.event
            ) e
            WINDOW person AS (
                PARTITION BY p.attendee_id, CASE WHEN p.attendee_id IS NULL THEN p.tag_id END
                ORDER BY p.ordered_at, p.log, p.seq),
            day AS (
                PARTITION BY p.attendee_id, CASE WHEN p.attendee_id IS NULL THEN p.tag_id END,
                    ((p.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date
                ORDER BY p.ordered_at, p.log, p.seq))
        INSERT INTO tapline.kept_double_admissions
        SELECT attendee_id, zone_id, first_gate_id, first_at, first_tag_id, first_journal_id, first_seq,
            gate_id, ordered_at, tag_id, journal_id, seq
        FROM ordered
        WHERE is_new AND is_last AND NOT is_doubtful
            AND direction = 0 AND first_direction = 0 AND zone_id = first_zone_id
        ON CONFLICT DO NOTHING
        """
}
