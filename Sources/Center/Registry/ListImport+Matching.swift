import Postgres
import RegistrationLists
import ScanModel

extension ListImport {
    /// Rows of one reference are one attendee, whose first row tells: `import_same` has the references of several rows,
    /// with the first. Refuses rows that tell otherwise, and tags of two attendees.
    func matchWithinList(_ list: any RegistrationSource, _ refused: inout ImportRejected) throws {
        let same = try connection.execute(
            """
            CREATE TEMPORARY TABLE import_same ON COMMIT DROP AS
            SELECT external_ref, min(line) AS first FROM import_rows WHERE leads AND external_ref IS NOT NULL
            GROUP BY external_ref HAVING count(*) > 1
            """
        ).affectedRows
        if same > 0 {
            try refuse(
                list, &refused,
                """
                SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM import_same s
                JOIN import_rows f ON f.line = s.first AND f.leads
                JOIN import_rows r ON r.external_ref = s.external_ref AND r.leads
                WHERE (r.name, r.category, r.status, r.way) IS DISTINCT FROM (f.name, f.category, f.status, f.way)
                """
            ) { "its external_ref stands in \($0.otherPlace) with other data" }
        }
        try refuse(
            list, &refused,
            """
            SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM (
                SELECT tag_id, min(line) AS first FROM import_rows WHERE tag_id IS NOT NULL
                GROUP BY tag_id HAVING min(line) <> max(line)) t
            JOIN import_rows f ON f.line = t.first AND f.tag_id = t.tag_id
            JOIN import_rows r ON r.tag_id = t.tag_id AND r.line <> t.first
            WHERE r.external_ref IS DISTINCT FROM f.external_ref OR r.external_ref IS NULL
            """
        ) { "the tag of \($0.name) is already that of \($0.otherName) in \($0.otherPlace)" }
    }

    /// Makes `import_match`, a row for each of `import_rows`: whose first row tells (`person`), the attendee found for
    /// it, who owns the tag, and whether the attendee differs from the list. Then refuses what contradicts the
    /// database.
    func match(_ list: any RegistrationSource, _ refused: inout ImportRejected) throws {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_match ON COMMIT DROP AS
            SELECT coalesce(s.first, r.line) AS person, r.leads AND coalesce(s.first, r.line) = r.line AS leads,
                r.tag_id, r.tag_status, r.tag_returns, a.id AS attendee_id, t.attendee_id AS owner_id,
                t.status AS stored_status,
                \(differs(wantedColumns(list))) AS differs,
                \(differs(wantedColumns(list, ofGates: true))) AS differs_at_gates
            FROM import_rows r
            LEFT JOIN import_same s ON s.external_ref = r.external_ref
            LEFT JOIN import_ways w ON w.way = r.way
            LEFT JOIN tapline.attendees a ON a.external_ref = r.external_ref
            LEFT JOIN tapline.tags t ON t.tag_id = r.tag_id;
            ANALYZE import_match
            """)
        let known = try connection.query(
            "SELECT FROM import_match WHERE attendee_id IS NULL AND owner_id IS NOT NULL LIMIT 1")
        if known.rowCount > 0 { try matchByTag(list, &refused) }
        try refuse(
            list, &refused,
            """
            SELECT m.person, r.external_ref, r.name, NULL, NULL,
                a.name || coalesce(' (external_ref ' || a.external_ref || ')', '')
            FROM import_match m JOIN import_rows r ON r.line = m.person AND r.leads
            JOIN tapline.attendees a ON a.id = m.owner_id WHERE m.owner_id IS DISTINCT FROM m.attendee_id
            """
        ) { "the tag of \($0.name) already belongs to \($0.otherName) in the database" }
    }

    /// Who has no reference, or one that is new, is found by a tag whose owner has the same name and no other
    /// reference.
    private func matchByTag(_ list: any RegistrationSource, _ refused: inout ImportRejected) throws {
        try connection.execute(
            """
            UPDATE import_match m SET attendee_id = found.id, differs = found.differs,
                differs_at_gates = found.differs_at_gates
            FROM (
                SELECT DISTINCT ON (m.person) m.person, a.id, \(differs(wantedColumns(list))) AS differs,
                    \(differs(wantedColumns(list, ofGates: true))) AS differs_at_gates
                FROM import_match m JOIN import_rows r ON r.line = m.person AND r.leads
                JOIN tapline.attendees a ON a.id = m.owner_id LEFT JOIN import_ways w ON w.way = r.way
                WHERE m.attendee_id IS NULL AND a.name = r.name AND (r.external_ref IS NULL OR a.external_ref IS NULL)
                ORDER BY m.person, a.id) found
            WHERE m.person = found.person;
            ANALYZE import_match
            """)
        try refuse(
            list, &refused,
            """
            SELECT r.line, r.external_ref, r.name, f.line, f.external_ref, f.name FROM (
                SELECT person, attendee_id, min(person) OVER (PARTITION BY attendee_id) AS first
                FROM import_match WHERE leads AND attendee_id IS NOT NULL) m
            JOIN import_rows r ON r.line = m.person AND r.leads JOIN import_rows f ON f.line = m.first AND f.leads
            WHERE m.person <> m.first
            """
        ) { "\($0.name) is the attendee of \($0.otherPlace) too: give both rows one external_ref" }
    }

    /// Whether the stored attendee `a` is other than row `r` of the list says, whose pass is that of `w`.
    private func differs(_ columns: [(column: String, value: String)]) -> String {
        guard !columns.isEmpty else { return "false" }
        let wanted = columns.map(\.value).joined(separator: ", ")
        let stored = columns.map { "a." + $0.column }.joined(separator: ", ")
        return "a.id IS NOT NULL AND ROW(\(stored)) IS DISTINCT FROM ROW(\(wanted))"
    }

    /// What the list wants of an attendee that is there, in terms of `a`, `r` and `w`.
    /// - Parameter ofGates: only what gates know of an attendee.
    func wantedColumns(
        _ list: any RegistrationSource, ofGates: Bool = false
    ) -> [(column: String, value: String)] {
        var columns: [(column: String, value: String)] = []
        if !ofGates {
            columns += [("name", "r.name"), ("external_ref", "coalesce(r.external_ref, a.external_ref)")]
            if list.fields.contains(.category) { columns.append(("category", "r.category")) }
        }
        if list.fields.contains(.access) { columns.append(("pass_id", "w.pass_id")) }
        if list.fields.contains(.status) {
            // Who was blocked by hand is not let in again by a shop, which knows nothing of it.
            let isShop = type(of: list).referencePrefix != nil
            columns.append(
                ("status", isShop ? "CASE a.status WHEN 'blocked' THEN a.status ELSE r.status END" : "r.status"))
        } else if options.voidMissing {
            // Void is who was not in the list, then; and now they are.
            columns.append(("status", "CASE a.status WHEN 'void' THEN 'active' ELSE a.status END"))
        }
        return columns
    }

    /// A row that contradicts another one, or the database.
    struct Contradiction {
        let name: String
        let otherPlace: String
        let otherName: String
    }

    /// - Parameter sql: gives number, reference and name of the row, and of the other one.
    private func refuse(
        _ list: any RegistrationSource, _ refused: inout ImportRejected, _ sql: String,
        _ message: (Contradiction) -> String
    ) throws {
        let found = try connection.query(
            """
            SELECT *, count(*) OVER () FROM (\(sql)) bad(line, ref, name, other, other_ref, other_name)
            ORDER BY line LIMIT \(ImportRejected.limit)
            """)
        guard found.rowCount > 0 else { return }
        let problems = (0..<found.rowCount).map { row in
            let (number, ref) = (Int(found.int(row, 0)), found.optionalText(row, 1))
            let bad = Contradiction(
                name: found.text(row, 2),
                otherPlace: type(of: list).place(Int(found.int(row, 3)), found.optionalText(row, 4)),
                otherName: found.text(row, 5))
            return RowError(number, at: type(of: list).place(number, ref), message(bad))
        }
        refused.add(problems, andMore: Int(found.int(0, 6)) - problems.count)
    }
}
