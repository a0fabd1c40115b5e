internal import Postgres
internal import Runtime
internal import Scans

extension Registry {
    /// What an import did.
    public struct Imported: Sendable, Hashable {
        public var rows = 0
        public var added = 0
        public var changed = 0
        public var unchanged = 0
        public var tagsAdded = 0
        public var zonesMade: [String] = []
        public var passesMade = 0
    }

    /// Takes a registration list over: whole, or not at all.
    ///
    /// An attendee is found by `external_ref`, else by a tag; what is found is brought up to date, what is not is added, and
    /// nobody is removed, so that importing the same list again changes nothing. Zones that are named and do not exist
    /// are made. Throws `RegistrationList.Refused` for rows that contradict the database: an unknown pass, a tag of
    /// another attendee.
    public func `import`(_ list: RegistrationList) throws -> Imported {
        try change {
            // Imports and changes by hand one after the other; scans go on, they only read here.
            try connection.execute("LOCK TABLE tapline.attendees, tapline.tags IN SHARE ROW EXCLUSIVE MODE")
            var done = Imported(rows: list.rowCount)
            let passes = try passes(for: list, &done)
            try stage(list, passes)
            try matchPeople()
            try refuseCollisions()
            try store(list, &done)
            return done
        }
    }

    /// The pass of each distinct way of opening, found or made.
    private func passes(
        for list: RegistrationList, _ done: inout Imported
    ) throws -> [RegistrationList.Opens: Int64] {
        var result: [RegistrationList.Opens: Int64] = [:]
        var problems: [CSVReader.Problem] = []
        let shared = try sharedPasses()
        for person in list.people where result[person.opens] == nil {
            switch person.opens {
            case .nothing: continue
            case .pass(let name):
                let found = try connection.query("SELECT id FROM tapline.passes WHERE name = $1", [.text(name)])
                if found.rowCount == 1 {
                    result[person.opens] = found.int(0, 0)
                } else {
                    problems.append(CSVReader.Problem(person.line, "there is no pass '\(name)'"))
                }
            case .zones(let names, let from, let until):
                let zones = try names.map { name in
                    if try connection.query("SELECT FROM tapline.zones WHERE name = $1", [.text(name)]).rowCount == 0 {
                        done.zonesMade.append(name)
                    }
                    return try zoneMadeIfMissing(name)
                }.sorted()
                let signature = Signature(zones: zones, from: from, until: until)
                if let id = shared[signature] {
                    result[person.opens] = id
                } else {
                    result[person.opens] = try makePass(signature)
                    done.passesMade += 1
                }
            }
        }
        guard problems.isEmpty else { throw RegistrationList.Refused(problems) }
        return result
    }

    private struct Signature: Hashable {
        /// Sorted ids.
        let zones: [Int64]
        let from: Int64?
        let until: Int64?
    }

    /// Unnamed passes that nobody dressed up: what imports made, to be shared on.
    private func sharedPasses() throws -> [Signature: Int64] {
        let rows = try connection.query(
            """
            SELECT p.id, a.zone_id, a.valid_from, a.valid_until
            FROM tapline.passes p JOIN tapline.access a ON a.pass_id = p.id
            WHERE p.name IS NULL AND p.colour IS NULL AND p.note IS NULL AND p.reentry = 'gate'
            ORDER BY p.id DESC, a.zone_id
            """, binary: true)
        var signatures: [Int64: Signature?] = [:]
        for row in 0..<rows.rowCount {
            let (id, zone) = (rows.int(row, 0), rows.int(row, 1))
            let times = (rows.optionalMicroseconds(row, 2), rows.optionalMicroseconds(row, 3))
            guard let known = signatures[id] else {
                signatures[id] = .some(Signature(zones: [zone], from: times.0, until: times.1))
                continue
            }
            // Zones of different times are no import's.
            if let known, (known.from, known.until) == times, !known.zones.contains(zone) {
                signatures[id] = .some(Signature(zones: known.zones + [zone], from: times.0, until: times.1))
            } else {
                signatures[id] = .some(nil)
            }
        }
        var result: [Signature: Int64] = [:]
        for (id, signature) in signatures {
            if let signature { result[signature] = min(id, result[signature] ?? id) }
        }
        return result
    }

    private func makePass(_ signature: Signature) throws -> Int64 {
        let id = try connection.query("INSERT INTO tapline.passes DEFAULT VALUES RETURNING id").int(0, 0)
        try connection.query(
            """
            INSERT INTO tapline.access (pass_id, zone_id, valid_from, valid_until)
            SELECT $1, zone, $3, $4 FROM unnest($2::bigint[]) AS zone
            """,
            [
                .int64(id), .int64s(signature.zones), .optionalTimestamp(signature.from),
                .optionalTimestamp(signature.until),
            ])
        return id
    }

    private func stage(_ list: RegistrationList, _ passes: [RegistrationList.Opens: Int64]) throws {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_people (number bigint, line bigint, name text, category text, status text,
                pass_id bigint, external_ref text, attendee_id bigint, is_new boolean NOT NULL) ON COMMIT DROP;
            CREATE TEMPORARY TABLE import_tags (number bigint, line bigint, tag_id bigint) ON COMMIT DROP
            """)
        let people = CopyBuffer()
        let tags = CopyBuffer()
        for (number, person) in list.people.enumerated() {
            people.beginRow(9)
            people.put(Int64(number))
            people.put(Int64(person.line))
            people.put(person.name)
            people.put(person.category)
            people.put(person.status)
            people.put(passes[person.opens])
            people.put(person.externalRef)
            people.putNull()
            people.put(false)
            for tag in person.tags {
                tags.beginRow(3)
                tags.put(Int64(number))
                tags.put(Int64(tag.line))
                tags.put(tag.tag.rawValue)
            }
        }
        try connection.copyIn("COPY import_people FROM STDIN (FORMAT binary)", people)
        try connection.copyIn("COPY import_tags FROM STDIN (FORMAT binary)", tags)
        try connection.execute(
            """
            CREATE INDEX ON import_people (number); CREATE INDEX ON import_tags (number);
            CREATE INDEX ON import_tags (tag_id); ANALYZE import_people; ANALYZE import_tags
            """)
    }

    /// Who is already there: by external_ref; else by a tag whose owner has the same name and no other reference.
    private func matchPeople() throws {
        try connection.execute(
            """
            UPDATE import_people p SET attendee_id = a.id FROM tapline.attendees a WHERE a.external_ref = p.external_ref;
            UPDATE import_people p SET attendee_id = a.id
            FROM import_tags i JOIN tapline.tags t ON t.tag_id = i.tag_id JOIN tapline.attendees a ON a.id = t.attendee_id
            WHERE i.number = p.number AND p.attendee_id IS NULL AND a.name = p.name
                AND (p.external_ref IS NULL OR a.external_ref IS NULL)
            """)
    }

    private func refuseCollisions() throws {
        let rows = try connection.query(
            """
            SELECT i.line, p.name, a.name, a.external_ref
            FROM import_tags i JOIN import_people p ON p.number = i.number
            JOIN tapline.tags t ON t.tag_id = i.tag_id JOIN tapline.attendees a ON a.id = t.attendee_id
            WHERE t.attendee_id IS DISTINCT FROM p.attendee_id
            ORDER BY i.line
            """)
        var problems = (0..<rows.rowCount).map { row in
            let ref = rows.optionalText(row, 3).map { " (external_ref \($0))" } ?? ""
            return CSVReader.Problem(
                Int(rows.int(row, 0)),
                "the tag of \(rows.text(row, 1)) already belongs to \(rows.text(row, 2))\(ref) in the database")
        }
        let twice = try connection.query(
            """
            SELECT line, name, first FROM (
                SELECT line, name, attendee_id, min(line) OVER (PARTITION BY attendee_id) AS first FROM import_people
                WHERE attendee_id IS NOT NULL) p
            WHERE line <> first
            """)
        problems += (0..<twice.rowCount).map { row in
            CSVReader.Problem(
                Int(twice.int(row, 0)),
                "\(twice.text(row, 1)) is the attendee of line \(twice.int(row, 2)) too: give both rows one external_ref"
            )
        }
        guard problems.isEmpty else { throw RegistrationList.Refused(problems) }
    }

    private func store(_ list: RegistrationList, _ done: inout Imported) throws {
        done.added = try connection.execute(
            """
            UPDATE import_people p SET attendee_id = nextval(pg_get_serial_sequence('tapline.attendees', 'id')), is_new = true
            FROM (SELECT number FROM import_people WHERE attendee_id IS NULL ORDER BY number) missing
            WHERE missing.number = p.number
            """
        ).affectedRows
        try connection.execute(
            """
            INSERT INTO tapline.attendees (id, name, category, status, pass_id, external_ref)
            SELECT attendee_id, name, category, status, pass_id, external_ref FROM import_people WHERE is_new
            """)
        // What the list has no column for stays as it is.
        let hasOpens = !list.columns.isDisjoint(with: [.zones, .pass])
        done.changed = try connection.query(
            """
            WITH wanted AS (
                SELECT a.id, p.name, CASE WHEN $1 THEN p.category ELSE a.category END AS category,
                    CASE WHEN $2 THEN p.status ELSE a.status END AS status,
                    CASE WHEN $3 THEN p.pass_id ELSE a.pass_id END AS pass_id,
                    coalesce(p.external_ref, a.external_ref) AS external_ref
                FROM import_people p JOIN tapline.attendees a ON a.id = p.attendee_id WHERE NOT p.is_new
            )
            UPDATE tapline.attendees a
            SET name = w.name, category = w.category, status = w.status, pass_id = w.pass_id, external_ref = w.external_ref
            FROM wanted w
            WHERE w.id = a.id AND (a.name, a.category, a.status, a.pass_id, a.external_ref)
                IS DISTINCT FROM (w.name, w.category, w.status, w.pass_id, w.external_ref)
            """,
            [.bool(list.columns.contains(.category)), .bool(list.columns.contains(.status)), .bool(hasOpens)]
        ).affectedRows
        done.unchanged = list.people.count - done.added - done.changed
        done.tagsAdded = try connection.execute(
            """
            INSERT INTO tapline.tags (tag_id, attendee_id)
            SELECT i.tag_id, p.attendee_id FROM import_tags i JOIN import_people p ON p.number = i.number
            ON CONFLICT DO NOTHING
            """
        ).affectedRows
    }
}
