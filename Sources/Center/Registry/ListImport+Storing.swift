import CLI
import Postgres
import RegistrationLists

extension ListImport {
    /// Stores what differs.
    func store(_ list: any RegistrationSource, _ done: inout ImportSummary) throws {
        let counts = try connection.query(
            """
            SELECT count(*) FILTER (WHERE leads), count(*) FILTER (WHERE leads AND differs),
                count(*) FILTER (WHERE leads AND attendee_id IS NULL),
                count(*) FILTER (WHERE tag_id IS NOT NULL AND owner_id IS NULL),
                count(*) FILTER (WHERE \(Self.tagDiffers("stored_status"))),
                count(*) FILTER (WHERE leads AND differs_at_gates)
            FROM import_match
            """)
        (done.changed, done.added) = (Int(counts.int(0, 1)), Int(counts.int(0, 2)))
        done.unchanged = Int(counts.int(0, 0)) - done.changed - done.added
        // First what may be refused.
        if options.replaceTags { done.tagsLost = try replaceTags(list) }
        if options.voidMissing { done.voided = try voidMissing(type(of: list).referencePrefix) }
        try connection.execute("CREATE TEMPORARY TABLE import_new (person integer, attendee_id bigint) ON COMMIT DROP")
        if done.added > 0 { try add(list) }
        if done.changed > 0 { try change(list, atGates: counts.int(0, 5) > 0) }
        if counts.int(0, 3) > 0 { done.tagsAdded = try addTags() }
        guard counts.int(0, 4) > 0 else { return }
        done.tagsLost += try setTags("<> 'active'")
        done.tagsRestored = try setTags("= 'active'")
    }

    private func add(_ list: any RegistrationSource) throws {
        try connection.execute(
            """
            INSERT INTO import_new SELECT person, nextval(pg_get_serial_sequence('tapline.attendees', 'id'))
            FROM (SELECT person FROM import_match WHERE leads AND attendee_id IS NULL ORDER BY person) missing;
            ANALYZE import_new;
            INSERT INTO tapline.attendees (id, name, category, status, pass_id, external_ref)
            SELECT n.attendee_id, r.name, r.category, r.status, w.pass_id, r.external_ref
            FROM import_new n JOIN import_rows r ON r.line = n.person AND r.leads
            LEFT JOIN import_ways w ON w.way = r.way
            """)
    }

    /// Columns that gates know are left out where they stay: naming them alone tells the centers that a new snapshot is due.
    private func change(_ list: any RegistrationSource, atGates: Bool) throws {
        let ofGates = wantedColumns(list, ofGates: true).map(\.column)
        let assignments = wantedColumns(list).filter { atGates || !ofGates.contains($0.column) }
            .map { "\($0.column) = \($0.value)" }.joined(separator: ", ")
        try connection.execute(
            """
            UPDATE tapline.attendees a SET \(assignments)
            FROM import_match m JOIN import_rows r ON r.line = m.person AND r.leads
            LEFT JOIN import_ways w ON w.way = r.way
            WHERE m.leads AND m.differs AND a.id = m.attendee_id
            """)
    }

    /// In the order of their ids: so they are appended to the index, and lie in the table as an export reads them.
    private func addTags() throws -> Int {
        try connection.execute(
            """
            INSERT INTO tapline.tags (tag_id, attendee_id, status)
            SELECT DISTINCT ON (m.tag_id) m.tag_id, coalesce(m.attendee_id, n.attendee_id), m.tag_status
            FROM import_match m LEFT JOIN import_new n ON n.person = m.person
            WHERE m.tag_id IS NOT NULL AND m.owner_id IS NULL ORDER BY m.tag_id
            """
        ).affectedRows
    }

    /// Tags that the list calls lost or void, and those that it voids itself and now has active; it brings back no other,
    /// and none that is lost.
    private func setTags(_ to: String) throws -> Int {
        try connection.execute(
            """
            UPDATE tapline.tags t SET status = m.tag_status FROM import_match m
            WHERE m.tag_id = t.tag_id AND m.tag_status \(to) AND \(Self.tagDiffers("t.status"))
            """
        ).affectedRows
    }

    private static func tagDiffers(_ stored: String) -> String {
        "\(stored) <> tag_status AND CASE WHEN tag_returns THEN \(stored) <> 'lost' ELSE tag_status <> 'active' END"
    }

    private func replaceTags(_ list: any RegistrationSource) throws -> Int {
        guard list.fields.contains(.tags) else {
            throw ProgramError.failed("--replace-tags: the list has no column of tags; nothing was stored")
        }
        let all = """
            FROM tapline.tags t WHERE status = 'active'
                AND EXISTS (SELECT FROM import_match m WHERE m.attendee_id = t.attendee_id)
            """
        return try takeAway(
            "--replace-tags", "tags of the listed attendees lost", all: "SELECT tag_id \(all)",
            gone: "SELECT tag_id \(all) AND NOT EXISTS (SELECT FROM import_match m WHERE m.tag_id = t.tag_id)",
            "UPDATE tapline.tags SET status = 'lost' WHERE tag_id IN (SELECT id FROM import_gone)")
    }

    /// A blocked attendee stays blocked: it is not forgotten when the list has the attendee again.
    /// - Parameter prefix: of the references that the list is about; nil: all but those of other formats.
    private func voidMissing(_ prefix: String?) throws -> Int {
        let others = [EventbriteCSV.referencePrefix, PretixExport.referencePrefix].compactMap(\.self)
        let scope =
            prefix.map { "starts_with(external_ref, \(connection.literal($0)))" }
            ?? others.map { "NOT starts_with(external_ref, \(connection.literal($0)))" }.joined(separator: " AND ")
        let all = "SELECT id FROM tapline.attendees a WHERE external_ref IS NOT NULL AND status = 'active' AND \(scope)"
        return try takeAway(
            "--void-missing", "active attendees void", all: all,
            gone: "\(all) AND NOT EXISTS (SELECT FROM import_match m WHERE m.attendee_id = a.id)",
            "UPDATE tapline.attendees SET status = 'void' WHERE id IN (SELECT id FROM import_gone)")
    }

    /// Runs `update` for the ids in `import_gone`, those of the query `gone`, unless they are too many of those of
    /// `all`.
    private func takeAway(
        _ flag: String, _ what: String, all: String, gone: String, _ update: String
    ) throws -> Int {
        let goneCount = try connection.execute(
            "DROP TABLE IF EXISTS import_gone; CREATE TEMPORARY TABLE import_gone (id) ON COMMIT DROP AS \(gone)"
        ).affectedRows
        guard goneCount > 0 else { return 0 }
        let allCount = Int(try connection.query("SELECT count(*) FROM (\(all)) AS present").int(0, 0))
        guard options.allowShrink || goneCount * 100 <= allCount * ImportOptions.shrinkLimitPercent else {
            throw ProgramError.failed(
                "\(flag) would make \(goneCount) of \(allCount) \(what), more than "
                    + "\(ImportOptions.shrinkLimitPercent) %: is the list whole? --allow-shrink does it all the same; "
                    + "nothing was stored")
        }
        return try connection.execute("ANALYZE import_gone; \(update)").affectedRows
    }
}
