import Postgres
import RegistrationLists
import ScanModel

extension ListImport {
    /// Rejects rows of one reference with different data, and tags of two attendees, within the list.
    ///
    /// Rows of one reference are one attendee, and the first row is the lead row. Creates `import_same`: the references
    /// of several rows, each with its first line.
    mutating func matchWithinList() throws {
        let same = try connection.execute(
            """
            CREATE TEMPORARY TABLE import_same ON COMMIT DROP AS
            SELECT external_ref, min(line) AS first FROM import_rows WHERE lead_row AND external_ref IS NOT NULL
            GROUP BY external_ref HAVING count(*) > 1
            """
        ).affectedRows
        if same > 0 {
            try reject(
                """
                SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM import_same s
                JOIN import_rows f ON f.line = s.first AND f.lead_row
                JOIN import_rows r ON r.external_ref = s.external_ref AND r.lead_row
                WHERE (r.name, r.category, r.status, r.access_set)
                    IS DISTINCT FROM (f.name, f.category, f.status, f.access_set)
                """
            ) { "\($0.otherPlace) has the same external_ref with other data" }
        }
        try reject(
            """
            SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM (
                SELECT tag_id, min(line) AS first FROM import_rows WHERE tag_id IS NOT NULL
                GROUP BY tag_id HAVING min(line) <> max(line)) t
            JOIN import_rows f ON f.line = t.first AND f.tag_id = t.tag_id
            JOIN import_rows r ON r.tag_id = t.tag_id AND r.line <> t.first
            WHERE r.external_ref IS DISTINCT FROM f.external_ref OR r.external_ref IS NULL
            """
        ) { tag in
            tag.name == tag.otherName && tag.otherReference == nil
                ? "\(tag.otherPlace) has the same tag and name: if both rows are one person, delete one of them"
                : "the tag of \(tag.name) is already that of \(tag.otherName) in \(tag.otherPlace)"
        }
    }

    /// Creates `import_match`, and rejects rows that contradict the database.
    ///
    /// `import_match` has a row for each row of `import_rows`. It holds the line of the lead row, the matching attendee
    /// and the owner of the tag. A flag records whether the stored attendee differs from the list.
    mutating func match() throws {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_match ON COMMIT DROP AS
            SELECT coalesce(s.first, r.line) AS lead_line,
                r.lead_row AND coalesce(s.first, r.line) = r.line AS lead_row,
                r.tag_id, r.tag_status, r.tag_restorable, a.id AS attendee_id, t.attendee_id AS owner_id,
                t.status AS stored_status,
                \(differs(wantedColumns())) AS differs,
                \(differs(wantedColumns(ofGates: true))) AS differs_at_gates
            FROM import_rows r
            LEFT JOIN import_same s ON s.external_ref = r.external_ref
            LEFT JOIN import_access_sets w ON w.access_set = r.access_set
            LEFT JOIN tapline.attendees a ON a.external_ref = r.external_ref
            LEFT JOIN tapline.tags t ON t.tag_id = r.tag_id;
            ANALYZE import_match
            """)
        let known = try connection.query(
            "SELECT FROM import_match WHERE attendee_id IS NULL AND owner_id IS NOT NULL LIMIT 1")
        if known.rowCount > 0 { try matchByTag() }
        try reject(
            """
            SELECT m.lead_line, r.external_ref, r.name, NULL, a.external_ref, a.name
            FROM import_match m JOIN import_rows r ON r.line = m.lead_line AND r.lead_row
            JOIN tapline.attendees a ON a.id = m.owner_id WHERE m.owner_id IS DISTINCT FROM m.attendee_id
            """
        ) { "the tag of \($0.name) already belongs to \(Self.owner($0)) in the database. \(Self.advice($0))" }
    }

    private static func owner(_ contradiction: Contradiction) -> String {
        if contradiction.otherName.isEmpty { return "a person whose names were erased" }
        return contradiction.otherName + (contradiction.otherReference.map { " (external_ref \($0))" } ?? "")
    }

    /// Returns what to do if the owner of a tag and the row are one person.
    private static func advice(_ contradiction: Contradiction) -> String {
        if contradiction.otherName.isEmpty {
            return "If the row is this person, delete it from the list; if not, give the row another tag"
        }
        if let reference = contradiction.otherReference {
            return "If both are one person, give the row external_ref \(reference)"
        }
        return "If both are one person, only an external_ref can tell: import the row once as "
            + "\(contradiction.otherName) with an external_ref, then as \(contradiction.name) with the same one"
    }

    /// Matches rows without a reference, or with a new one, by a tag. Its owner must have the same name and no other
    /// reference.
    private mutating func matchByTag() throws {
        try connection.execute(
            """
            UPDATE import_match m SET attendee_id = found.id, differs = found.differs,
                differs_at_gates = found.differs_at_gates
            FROM (
                SELECT DISTINCT ON (m.lead_line) m.lead_line, a.id, \(differs(wantedColumns())) AS differs,
                    \(differs(wantedColumns(ofGates: true))) AS differs_at_gates
                FROM import_match m JOIN import_rows r ON r.line = m.lead_line AND r.lead_row
                JOIN tapline.attendees a ON a.id = m.owner_id
                LEFT JOIN import_access_sets w ON w.access_set = r.access_set
                WHERE m.attendee_id IS NULL AND a.name = r.name AND (r.external_ref IS NULL OR a.external_ref IS NULL)
                ORDER BY m.lead_line, a.id) found
            WHERE m.lead_line = found.lead_line;
            ANALYZE import_match
            """)
        try reject(
            """
            SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM (
                SELECT lead_line, attendee_id, min(lead_line) OVER (PARTITION BY attendee_id) AS first
                FROM import_match WHERE lead_row AND attendee_id IS NOT NULL) m
            JOIN import_rows r ON r.line = m.lead_line AND r.lead_row
            JOIN import_rows f ON f.line = m.first AND f.lead_row
            WHERE m.lead_line <> m.first
            """
        ) { "\($0.name) is the attendee of \($0.otherPlace), too: give both rows the same external_ref" }
    }

    /// Returns the condition that the stored attendee `a` differs from row `r` of the list and its access set `w`.
    private func differs(_ columns: [(column: String, value: String)]) -> String {
        guard !columns.isEmpty else { return "false" }
        let wanted = columns.map(\.value).joined(separator: ", ")
        let stored = columns.map { "a." + $0.column }.joined(separator: ", ")
        return "a.id IS NOT NULL AND ROW(\(stored)) IS DISTINCT FROM ROW(\(wanted))"
    }

    /// Returns the columns of a stored attendee that the list sets.
    ///
    /// Each value is an SQL expression of the aliases `a`, `r` and `w`.
    ///
    /// - Parameter ofGates: only columns that snapshots contain.
    func wantedColumns(ofGates: Bool = false) -> [(column: String, value: String)] {
        var columns: [(column: String, value: String)] = []
        if !ofGates {
            columns += [("name", "r.name"), ("external_ref", "coalesce(r.external_ref, a.external_ref)")]
            if fields.contains(.category) { columns.append(("category", "r.category")) }
        }
        if fields.contains(.access) { columns.append(("pass_id", "w.pass_id")) }
        if fields.contains(.status) {
            // A ticket shop does not know that the organiser blocked an attendee, so its list does not unblock the
            // attendee.
            let isShop = type(of: list).referencePrefix != nil
            columns.append(
                ("status", isShop ? "CASE a.status WHEN 'blocked' THEN a.status ELSE r.status END" : "r.status"))
        } else if options.voidMissing {
            // An earlier import made the attendee void because it was not in the list.
            columns.append(("status", "CASE a.status WHEN 'void' THEN 'active' ELSE a.status END"))
        }
        return columns
    }

    /// A row that contradicts another row, or the database.
    private struct Contradiction {
        let name: String
        let otherPlace: String
        let otherName: String
        let otherReference: String?
    }

    /// Adds the rows that a query returns to `rejected`.
    ///
    /// - Parameter sql: returns number, reference and name of the row, and of the other row.
    private mutating func reject(_ sql: String, _ message: (Contradiction) -> String) throws {
        let found = try connection.query(
            """
            SELECT *, count(*) OVER () FROM (\(sql)) bad(line, ref, name, other, other_ref, other_name)
            ORDER BY line LIMIT \(ImportRejected.limit)
            """)
        guard found.rowCount > 0 else { return }
        let format = type(of: list)
        let problems = (0..<found.rowCount).map { row in
            let (number, reference) = (Int(found.int(row, 0)), found.optionalText(row, 1))
            let contradiction = Contradiction(
                name: found.text(row, 2),
                otherPlace: format.place(Int(found.int(row, 3)), found.optionalText(row, 4)),
                otherName: found.text(row, 5), otherReference: found.optionalText(row, 4))
            return RowError(number, at: format.place(number, reference), message(contradiction))
        }
        rejected.add(problems, andMore: Int(found.int(0, 6)) - problems.count)
    }
}
