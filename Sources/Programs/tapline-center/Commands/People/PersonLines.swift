import Postgres
import Registry

/// One person as lines for people, with local times of the event.
struct PersonLines {
    let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    func lines(of person: FoundAttendee, day: String?) throws -> [String] {
        let facts = try connection.query(
            """
            SELECT coalesce(p.name, 'pass ' || p.id), to_char(a.names_erased_at AT TIME ZONE e.time_zone, \(Self.format)),
                n.zone, n.gate, to_char(n.since AT TIME ZONE e.time_zone, \(Self.format)), e.time_zone,
                coalesce($2::date, (tapline.day_start() AT TIME ZONE e.time_zone)::date)::text,
                (SELECT string_agg(t.tag_id || ' ' || t.status, ', ' ORDER BY t.tag_id) FROM tapline.tags t
                    WHERE t.attendee_id = a.id)
            FROM tapline.event_settings e, tapline.attendees a LEFT JOIN tapline.passes p ON p.id = a.pass_id
                LEFT JOIN LATERAL tapline.person_now(a.id) n ON true
            WHERE a.id = $1
            """, [.int64(person.id), .optional(day)])
        guard facts.rowCount == 1 else { throw RegistryError.attendeeIDMissing(person.id) }
        var lines = [
            "id: \(person.id)", "name: \(person.name.isEmpty ? "(erased)" : person.name)",
            "reference: \(person.reference ?? "none")", "category: \(person.category ?? "none")",
            "status: \(person.status)", "pass: \(facts.optionalText(0, 0) ?? "none")",
            "tags: \(facts.optionalText(0, 7) ?? "none")",
        ]
        if let erased = facts.optionalText(0, 1) { lines.append("erased: \(erased)") }
        lines.append("now: \(place(facts))")
        let (date, zone) = (facts.text(0, 6), facts.text(0, 5))
        let track = try Listing(
            connection,
            """
            SELECT to_char(t.time AT TIME ZONE e.time_zone, 'HH24:MI:SS') AS time, t.direction, t.gate, t.zone,
                t.verdict_name || CASE WHEN t.is_annulled THEN ' (annulled)' WHEN t.is_void THEN ' (void)' ELSE '' END
                    AS verdict, t.tag_id AS tag
            FROM tapline.event_settings e, tapline.person_day($1, $2::date) t LIMIT \(PersonReport.trackLimit)
            """, [.int64(person.id), .text(date)], json: false)
        if track.rows.isEmpty { return lines + ["track of \(date): no scan"] }
        return lines + ["track of \(date), times of \(zone):"]
            + track.terminalTable
    }

    private func place(_ facts: PostgresResult) -> String {
        guard let since = facts.optionalText(0, 4) else { return "not seen on this event day" }
        return "\(facts.optionalText(0, 2) ?? "off site") since \(since)"
            + (facts.optionalText(0, 3).map { ", gate \($0)" } ?? "")
    }

    private static let format = "'YYYY-MM-DD HH24:MI:SS'"
}
