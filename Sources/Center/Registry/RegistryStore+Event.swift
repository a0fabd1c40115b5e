import Postgres
package import ScanModel

extension RegistryStore {
    /// A change of the event. `nil` leaves a value unchanged.
    package struct EventChange: Sendable, Equatable {
        /// The name, which is a label. Required the first time.
        package var name: String?
        /// `Region/City` as in PostgreSQL's `pg_timezone_names`, or `UTC`. At first `Etc/UTC`.
        package var timeZone: String?
        /// The time of day in that zone at which an event day begins. At first `06:00`.
        package var dayStart: String?
        /// The UUID of an event whose database was made again, so that scanners that have pinned it stay. At first a
        /// random one.
        package var id: String?
        /// The event's rule for codes, which gates apply with their next snapshot. At first `exact`.
        package var codeCase: CodeCase?
        /// `EventKey.fingerprint` of the key that the tags are made with. A list normally proves it.
        package var keyFingerprint: String?
        /// Permits a change of the rule for codes or of the key while tags are registered.
        package var allowsUnknownTags = false

        /// Creates an empty change.
        package init() {}
    }

    /// The event after a change. The texts are for the user.
    package struct EventFacts: Sendable, Hashable {
        /// The name.
        package let name: String
        /// The UUID in lower case.
        package let id: String
        /// The time zone.
        package let timeZone: String
        /// The rule for codes.
        package let codeCase: CodeCase
        /// The fingerprint of the event key; `nil` if it is not known.
        package let keyFingerprint: String?
        /// The offset of that zone now, such as `+04:00`.
        package let offset: String
        /// The next start of an event day in that zone, such as `2026-11-30 06:00`.
        package let nextDayLocal: String
        /// The same instant in UTC, such as `2026-11-30 02:00`.
        package let nextDayUTC: String
        /// Number of registered tags if the change altered the rule for codes, else 0. The registry does not store codes,
        /// so the lists with codes must be imported again.
        package let tagsOfFormerCodeCase: Int
    }

    /// Sets properties of the event.
    ///
    /// A change of time zone or day start changes event days in reports and in the next snapshot. This includes the
    /// days of past scans. A change of the name changes a label only: scanners go by the UUID.
    ///
    /// - Returns: the event after the change.
    /// - Throws: `RegistryError`, `PostgresError`.
    @discardableResult
    package func setEvent(_ event: EventChange) throws -> EventFacts {
        try change {
            if let name = event.name { try RegistryName.check("event", name) }
            if let dayStart = event.dayStart { try requireTime(dayStart) }
            let zone = try event.timeZone.map(timeZone)
            if let id = event.id { try requireID(id) }
            let former = try codeCase()
            if !event.allowsUnknownTags { try requireKnownTags(event, former) }
            let parameters = [
                PostgresParameter.optional(event.name), .optional(zone), .optional(event.dayStart),
                .optional(event.id), .optional(event.codeCase?.rawValue),
                .optional(event.keyFingerprint),
            ]
            let updated = try connection.query(
                """
                UPDATE tapline.event SET name = coalesce($1::text, name), time_zone = coalesce($2::text, time_zone),
                    day_start = coalesce($3::text::time, day_start), id = coalesce($4::text::uuid, id),
                    code_case = coalesce($5::text, code_case), key_fingerprint = coalesce($6::text, key_fingerprint)
                """, parameters)
            if updated.affectedRows == 0 {
                guard event.name != nil else { throw RegistryError.eventNameMissing }
                try connection.query(
                    """
                    INSERT INTO tapline.event (name, time_zone, day_start, id, code_case, key_fingerprint)
                    SELECT $1::text, coalesce($2::text, time_zone), coalesce($3::text::time, day_start),
                        coalesce($4::text::uuid, gen_random_uuid()), coalesce($5::text, code_case), $6::text
                    FROM tapline.event_settings
                    """, parameters)
            }
            return try facts(formerCodeCase: former)
        }
    }

    private func facts(formerCodeCase: CodeCase) throws -> EventFacts {
        let row = try connection.query(
            """
            SELECT name, id, time_zone, (now() AT TIME ZONE time_zone) - (now() AT TIME ZONE 'UTC') AS offset,
                to_char(next AT TIME ZONE time_zone, 'YYYY-MM-DD HH24:MI'),
                to_char(next AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                CASE WHEN code_case = $1 THEN 0 ELSE (SELECT count(*) FROM tapline.tags) END, key_fingerprint
            FROM tapline.event_settings, tapline.day_end(now()) AS next
            """, [.text(formerCodeCase.rawValue)])
        let offset = row.text(0, 3).split(separator: ":").prefix(2).joined(separator: ":")
        return EventFacts(
            name: row.text(0, 0), id: row.text(0, 1), timeZone: row.text(0, 2), codeCase: try codeCase(),
            keyFingerprint: row.optionalText(0, 7),
            offset: offset.hasPrefix("-") ? offset : "+" + offset, nextDayLocal: row.text(0, 4),
            nextDayUTC: row.text(0, 5), tagsOfFormerCodeCase: Int(row.int(0, 6)))
    }

    /// - Throws: `RegistryError.codeCaseInUse` or `RegistryError.keyUnproved` if registered tags may become unknown.
    private func requireKnownTags(_ event: EventChange, _ codeCase: CodeCase) throws {
        let tags = Int(try connection.query("SELECT count(*) FROM tapline.tags").int(0, 0))
        guard tags > 0 else { return }
        if let wanted = event.codeCase, wanted != codeCase {
            throw RegistryError.codeCaseInUse(tags: tags, codeCase, wanted: wanted)
        }
        if let wanted = event.keyFingerprint, try knownKey() != wanted {
            throw RegistryError.keyUnproved(tags: tags, event: try knownKey(), given: wanted)
        }
    }

    /// - Throws: `RegistryError.eventHasID` if gates may have pinned another UUID.
    private func requireID(_ text: String) throws {
        let parsed: PostgresResult
        do { parsed = try connection.query("SELECT $1::text::uuid", [.text(text)]) } catch {
            guard error.isDataError else { throw error }
            throw RegistryError.invalidEventID(text)
        }
        let known = try connection.query("SELECT id, EXISTS (SELECT FROM tapline.snapshots) FROM tapline.event")
        guard known.rowCount == 0 || known.text(0, 0) == parsed.text(0, 0) || !known.bool(0, 1) else {
            throw RegistryError.eventHasID(known.text(0, 0))
        }
    }

    private func requireTime(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (2...3).contains(parts.count), let hour = parts[0], (0...23).contains(hour),
            parts.dropFirst().allSatisfy({ $0.map { (0...59).contains($0) } ?? false })
        else { throw RegistryError.invalidTime(text) }
    }
}
