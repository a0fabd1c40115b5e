package import Postgres

/// What the center knows of one person: the row of the list, the place now, and the scans of one event day.
///
/// The text is JSON, made by the database, for the display and for programs (contract.md section 7).
package enum PersonReport {
    /// Maximum number of scans of the track, the newest. A person has some dozens a day.
    package static let trackLimit = 500

    /// Returns the report as a JSON object.
    ///
    /// - Parameters:
    ///   - id: attendee id.
    ///   - day: event day, `YYYY-MM-DD`; `nil`: the current one.
    /// - Returns: `nil` if there is no such person.
    /// - Throws: `PostgresError`.
    package static func json(
        _ connection: PostgresConnection, _ id: Int64, day: String? = nil
    ) throws(PostgresError) -> String? {
        let found = try connection.query(sql, [.int64(id), .optional(day), .int32(Int32(trackLimit))])
        return found.rowCount == 1 ? found.text(0, 0) : nil
    }

    /// Returns an expression of a time as RFC 3339 in UTC, in milliseconds.
    package static func time(_ expression: String) -> String {
        #"to_char(\#(expression) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#
    }

    private static let sql = """
        WITH day AS (
            SELECT coalesce($2::date, (tapline.day_start() AT TIME ZONE time_zone)::date) AS day
            FROM tapline.event_settings
        ), track AS MATERIALIZED (
            SELECT *, row_number() OVER () AS place FROM tapline.person_day($1, (SELECT day FROM day))
        )
        SELECT json_build_object('as_of', \(time("now()")), 'time_zone', e.time_zone, 'day', d.day,
            'id', a.id, 'name', a.name, 'category', a.category, 'external_ref', a.external_ref, 'status', a.status,
            'pass', coalesce(p.name, 'pass ' || p.id), 'erased_at', \(time("a.names_erased_at")),
            'zone', n.zone, 'gate', n.gate, 'since', \(time("n.since")),
            'tags', (SELECT coalesce(json_agg(json_build_object('id', t.tag_id::text, 'status', t.status)
                ORDER BY t.tag_id), '[]') FROM tapline.tags t WHERE t.attendee_id = a.id),
            'track', (SELECT coalesce(json_agg(json_build_object('time', \(time("k.time")), 'gate', k.gate,
                    'zone', k.zone, 'direction', k.direction, 'verdict', k.verdict_name, 'counts', k.counts,
                    'annulled', k.is_annulled, 'void', k.is_void, 'tag', k.tag_id::text, 'scanner', k.scanner_id)
                ORDER BY k.place DESC), '[]')
                FROM (SELECT * FROM track ORDER BY place DESC LIMIT $3) k),
            'more', (SELECT count(*) > $3 FROM track))
        FROM day d, tapline.event_settings e, tapline.attendees a LEFT JOIN tapline.passes p ON p.id = a.pass_id
            LEFT JOIN LATERAL tapline.person_now(a.id) n ON true
        WHERE a.id = $1
        """
}
