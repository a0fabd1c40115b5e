import Postgres
import RegistrationLists

extension ListImport {
    /// Stores the differences, and counts them in `summary`.
    mutating func store() throws {
        let counts = try connection.query(
            """
            SELECT count(*) FILTER (WHERE lead_row), count(*) FILTER (WHERE lead_row AND differs),
                count(*) FILTER (WHERE lead_row AND attendee_id IS NULL),
                count(*) FILTER (WHERE tag_id IS NOT NULL AND owner_id IS NULL),
                count(*) FILTER (WHERE \(Self.tagDiffers("stored_status"))),
                count(*) FILTER (WHERE lead_row AND differs_at_gates)
            FROM import_match
            """)
        summary.changed = Int(counts.int(0, 1))
        summary.added = Int(counts.int(0, 2))
        summary.unchanged = Int(counts.int(0, 0)) - summary.changed - summary.added
        // First the changes that can be rejected.
        if options.replaceTags { summary.tagsLost = try replaceTags() }
        if options.voidMissing { summary.voided = try voidMissing() }
        try connection.execute(
            "CREATE TEMPORARY TABLE import_new (lead_line integer, attendee_id bigint) ON COMMIT DROP")
        if summary.added > 0 { try addAttendees() }
        if summary.changed > 0 { try changeAttendees(atGates: counts.int(0, 5) > 0) }
        if counts.int(0, 3) > 0 { summary.tagsAdded = try addTags() }
        guard counts.int(0, 4) > 0 else { return }
        summary.tagsLost += try setTags("<> 'active'")
        summary.tagsRestored = try setTags("= 'active'")
    }

    private func addAttendees() throws {
        try connection.execute(
            """
            INSERT INTO import_new SELECT lead_line, nextval(pg_get_serial_sequence('tapline.attendees', 'id'))
            FROM (SELECT lead_line FROM import_match WHERE lead_row AND attendee_id IS NULL ORDER BY lead_line) missing;
            ANALYZE import_new;
            INSERT INTO tapline.attendees (id, name, category, status, pass_id, external_ref)
            SELECT n.attendee_id, r.name, r.category, r.status, w.pass_id, r.external_ref
            FROM import_new n JOIN import_rows r ON r.line = n.lead_line AND r.lead_row
            LEFT JOIN import_access_sets w ON w.access_set = r.access_set
            """)
    }

    /// - Parameter atGates: whether a column that snapshots contain differs. If not, these columns are not assigned: an
    ///   assignment alone notifies the centers, which then publish a snapshot.
    private func changeAttendees(atGates: Bool) throws {
        let ofGates = wantedColumns(ofGates: true).map(\.column)
        let assignments = wantedColumns().filter { atGates || !ofGates.contains($0.column) }
            .map { "\($0.column) = \($0.value)" }.joined(separator: ", ")
        try connection.execute(
            """
            UPDATE tapline.attendees a SET \(assignments)
            FROM import_match m JOIN import_rows r ON r.line = m.lead_line AND r.lead_row
            LEFT JOIN import_access_sets w ON w.access_set = r.access_set
            WHERE m.lead_row AND m.differs AND a.id = m.attendee_id
            """)
    }

    /// Adds tags in the order of their ids: they are then appended to the index, and an export reads the table in
    /// order.
    private func addTags() throws -> Int {
        try connection.execute(
            """
            INSERT INTO tapline.tags (tag_id, attendee_id, status)
            SELECT DISTINCT ON (m.tag_id) m.tag_id, coalesce(m.attendee_id, n.attendee_id), m.tag_status
            FROM import_match m LEFT JOIN import_new n ON n.lead_line = m.lead_line
            WHERE m.tag_id IS NOT NULL AND m.owner_id IS NULL ORDER BY m.tag_id
            """
        ).affectedRows
    }

    /// Sets the status of known tags.
    ///
    /// A list makes tags lost or void. It makes only its own void tags (`tag_restorable`) active again, and never a
    /// lost tag.
    ///
    /// - Parameter condition: selects tags by their status in the list.
    private func setTags(_ condition: String) throws -> Int {
        try connection.execute(
            """
            UPDATE tapline.tags t SET status = m.tag_status FROM import_match m
            WHERE m.tag_id = t.tag_id AND m.tag_status \(condition) AND \(Self.tagDiffers("t.status"))
            """
        ).affectedRows
    }

    private static func tagDiffers(_ stored: String) -> String {
        """
        \(stored) <> tag_status
            AND CASE WHEN tag_restorable THEN \(stored) <> 'lost' ELSE tag_status <> 'active' END
        """
    }

    private func replaceTags() throws -> Int {
        guard fields.contains(.tags) else { throw RegistryError.tagColumnMissing }
        let all = """
            FROM tapline.tags t WHERE status = 'active'
                AND EXISTS (SELECT FROM import_match m WHERE m.attendee_id = t.attendee_id)
            """
        return try remove(
            .replaceTags, all: "SELECT tag_id \(all)",
            gone: "SELECT tag_id \(all) AND NOT EXISTS (SELECT FROM import_match m WHERE m.tag_id = t.tag_id)",
            "UPDATE tapline.tags SET status = 'lost' WHERE tag_id IN (SELECT id FROM import_gone)")
    }

    /// Makes active attendees void if their references belong to the format of the list and are not in it. Blocked
    /// attendees stay blocked, also after a later list contains them again.
    private func voidMissing() throws -> Int {
        func hasPrefix(_ prefix: String) -> String { "starts_with(external_ref, \(connection.literal(prefix)))" }
        let others = [EventbriteCSV.referencePrefix, PretixExport.referencePrefix].compactMap(\.self)
        let scope =
            type(of: list).referencePrefix.map(hasPrefix)
            ?? others.map { "NOT \(hasPrefix($0))" }.joined(separator: " AND ")
        let all = "SELECT id FROM tapline.attendees a WHERE external_ref IS NOT NULL AND status = 'active' AND \(scope)"
        return try remove(
            .voidMissing, all: all,
            gone: "\(all) AND NOT EXISTS (SELECT FROM import_match m WHERE m.attendee_id = a.id)",
            "UPDATE tapline.attendees SET status = 'void' WHERE id IN (SELECT id FROM import_gone)")
    }

    /// Stores the ids of the query `gone` in `import_gone`, and runs `update` for them.
    ///
    /// - Parameter all: query of the ids that can be removed.
    /// - Returns: number of rows removed.
    /// - Throws: `RegistryError.shrinks` if too many of `all` would be removed.
    private func remove(
        _ removal: ImportOptions.Removal, all: String, gone: String, _ update: String
    ) throws -> Int {
        let goneCount = try connection.execute(
            "DROP TABLE IF EXISTS import_gone; CREATE TEMPORARY TABLE import_gone (id) ON COMMIT DROP AS \(gone)"
        ).affectedRows
        guard goneCount > 0 else { return 0 }
        let allCount = Int(try connection.query("SELECT count(*) FROM (\(all)) AS present").int(0, 0))
        guard options.allowShrink || goneCount * 100 <= allCount * ImportOptions.shrinkLimitPercent else {
            throw RegistryError.shrinks(removal, count: goneCount, of: allCount)
        }
        return try connection.execute("ANALYZE import_gone; \(update)").affectedRows
    }
}
