import Crypto
import Postgres
import RegistrationLists
import TextRules

extension RegistryStore {
    /// The result of an export.
    package struct Exported: Sendable, Hashable {
        /// Attendees in the list.
        package var rows = 0
        /// Attendees with neither reference nor tag. A later import could not match them.
        package var leftOut = 0
        /// References, names and other texts that an import refuses. Lists could bring such ones formerly.
        package var refusedTexts = 0
        /// What is wrong with the first of them, and what to do; `nil` without one.
        package var firstRefusal: String?

        /// Creates the result of an empty list.
        package init() {}
    }

    /// Size of one write, in bytes.
    private static let pieceBytes = 1 << 16

    /// Writes the attendees as a registration list in CSV: one row for each attendee, all as of one instant. Erased people
    /// are left out.
    ///
    /// Texts that a spreadsheet would run as formulas have the mark of `FormulaMark`, in all columns.
    ///
    /// Importing the list again changes nothing. It has tag IDs (`tag_id`), because the registry does not store UIDs.
    ///
    /// - Parameter write: receives the pieces of the file.
    /// - Throws: `RegistryError.passNeedsName` for an unnamed pass that no import created; `PostgresError`, and the
    ///   errors of `write`.
    package func exportList(to write: (ArraySlice<UInt8>) throws -> Void) throws -> Exported {
        try reading {
            let unnamed = try connection.query(
                """
                SELECT id, NOT EXISTS (SELECT FROM tapline.access a WHERE a.pass_id = p.id)
                FROM tapline.passes p WHERE name IS NULL
                    AND id IN (SELECT pass_id FROM tapline.attendees) AND (
                    colour IS NOT NULL OR note IS NOT NULL OR reentry <> 'gate'
                    OR (SELECT count(DISTINCT (valid_from, valid_until)) <> 1 OR NOT bool_and(
                        isfinite(coalesce(valid_from, now())) AND isfinite(coalesce(valid_until, now())))
                        FROM tapline.access a WHERE a.pass_id = p.id))
                ORDER BY id LIMIT 1
                """)
            guard unnamed.rowCount == 0 else {
                throw RegistryError.passNeedsName(id: unnamed.int(0, 0), opensNothing: unnamed.bool(0, 1))
            }
            let leftOut = try connection.query(
                """
                SELECT count(*) FROM tapline.attendees a WHERE external_ref IS NULL AND names_erased_at IS NULL
                    AND NOT EXISTS (SELECT FROM tapline.tags t WHERE t.attendee_id = a.id)
                """)
            var done = Exported()
            done.leftOut = Int(leftOut.int(0, 0))
            done.rows = try copy(Self.list, to: write)
            try checkTexts(&done)
            return done
        }
    }

    /// Notes the texts that an import refuses, by its own rules.
    private func checkTexts(_ done: inout Exported) throws {
        // The rows have the form `attendees,name,17,HEX`. Only references can have another fault than a control character.
        try connection.copyOut(
            #"""
            COPY (SELECT relation, field, id, encode(convert_to(value, 'UTF8'), 'hex') FROM (
                SELECT 1, 'attendees', field, id, value FROM tapline.attendees, LATERAL (VALUES
                    ('external_ref', external_ref), ('name', name), ('category', category)) texts (field, value)
                UNION ALL SELECT 2, 'passes', field, id, value FROM tapline.passes, LATERAL (VALUES
                    ('name', name), ('colour', colour), ('note', note)) texts (field, value)
                UNION ALL SELECT 3, 'zones', 'name', id, name FROM tapline.zones) texts (rank, relation, field, id, value)
            WHERE field = 'external_ref' AND value IS NOT NULL OR value ~ '[\u0001-\u001F\u007F-\u009F\u2028\u2029]'
            ORDER BY rank, id, field) TO STDOUT (FORMAT csv)
            """#
        ) { row in
            let cells = row.dropLast().split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
            let text = String(decoding: Hex.decode(cells[3]) ?? [], as: UTF8.self)
            var subject = cells[1]
            do throws(CellError) {
                if cells[1] == "external_ref" {
                    subject += " '\(text.visibleInLine)'"
                    try RegistrationRow.checkReference(text)
                } else {
                    // An import takes off the ends, too.
                    try RegistrationRow.checkText(text.trimmingInvisible)
                }
            } catch {
                done.refusedTexts += 1
                guard done.firstRefusal == nil else { return }
                done.firstRefusal = """
                    \(subject) \(error): correct it in the list that it came from, and in the database \
                    (UPDATE tapline.\(cells[0]) SET \(cells[1]) = 'TEXT' WHERE id = \(cells[2]))
                    """
            }
        }
    }

    /// Writes the named passes with their access, in the format of `PassCSV`.
    ///
    /// Access that is never valid (from infinity on) is left out: the format has no infinity, and access without times
    /// is always valid.
    ///
    /// - Parameter write: receives the pieces of the file.
    /// - Returns: the number of passes.
    /// - Throws: `PostgresError`, and the errors of `write`.
    package func exportPasses(to write: (ArraySlice<UInt8>) throws -> Void) throws -> Int {
        try reading {
            try copy(
                """
                SELECT \(Self.marked("p.name", as: "name")), \(Self.marked("colour", as: "colour")),
                    \(Self.marked("note", as: "note")), reentry, \(Self.marked("z.name", as: "zone")),
                    \(Self.time("valid_from")), \(Self.time("valid_until"))
                FROM tapline.passes p LEFT JOIN tapline.access a ON a.pass_id = p.id
                    AND valid_from IS DISTINCT FROM 'infinity' AND valid_until IS DISTINCT FROM '-infinity'
                LEFT JOIN tapline.zones z ON z.id = a.zone_id
                WHERE p.name IS NOT NULL ORDER BY p.id, a.id
                """, to: write)
            return Int(try connection.query("SELECT count(*) FROM tapline.passes WHERE name IS NOT NULL").int(0, 0))
        }
    }

    private static let list = """
        SELECT \(marked("a.external_ref", as: "external_ref", isIdentifier: true)), \(marked("a.name", as: "name")),
            \(marked("a.category", as: "category")), a.status, \(marked("p.name", as: "pass")),
            \(marked("z.zones", as: "zones")), z.valid_from, z.valid_until, \(marked("t.tag_id", as: "tag_id"))
        FROM tapline.attendees a
        LEFT JOIN tapline.passes p ON p.id = a.pass_id
        LEFT JOIN (
            SELECT a.pass_id, string_agg(z.name, ';' ORDER BY z.name) AS zones,
                \(time("min(a.valid_from)", as: "valid_from")), \(time("min(a.valid_until)", as: "valid_until"))
            FROM tapline.access a JOIN tapline.zones z ON z.id = a.zone_id JOIN tapline.passes p ON p.id = a.pass_id
            WHERE p.name IS NULL GROUP BY a.pass_id) z ON z.pass_id = a.pass_id
        LEFT JOIN (
            SELECT attendee_id, string_agg(
                tag_id || CASE status WHEN 'active' THEN '' ELSE ':' || status END, ';' ORDER BY tag_id) AS tag_id
            FROM tapline.tags GROUP BY attendee_id) t ON t.attendee_id = a.id
        WHERE (a.external_ref IS NOT NULL OR t.tag_id IS NOT NULL) AND a.names_erased_at IS NULL ORDER BY a.id
        """

    /// RFC 3339 in UTC, with the resolution of PostgreSQL: microseconds.
    private static func time(_ expression: String, as name: String? = nil) -> String {
        #"to_char(\#(expression), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS \#(name ?? expression)"#
    }

    private static func marked(_ expression: String, as name: String, isIdentifier: Bool = false) -> String {
        "\(FormulaMark.markedSQL(expression, isIdentifier: isIdentifier)) AS \(name)"
    }

    /// - Returns: the number of rows.
    @discardableResult
    private func copy(_ query: String, to write: (ArraySlice<UInt8>) throws -> Void) throws -> Int {
        var piece: [UInt8] = []
        var rows = -1  // not counting the header
        try connection.copyOut("COPY (\(query)) TO STDOUT (FORMAT csv, HEADER)") { row in
            piece += row
            rows += 1
            guard piece.count >= Self.pieceBytes else { return }
            try write(piece[...])
            piece.removeAll(keepingCapacity: true)
        }
        try write(piece[...])
        return rows
    }

    private func reading<Result>(_ body: () throws -> Result) throws -> Result {
        try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY", body)
    }
}
