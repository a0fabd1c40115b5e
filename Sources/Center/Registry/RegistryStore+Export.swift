import CLI
import Postgres

extension RegistryStore {
    /// What was written, in rows, and who was not: they have neither reference nor tag, so nobody could find them
    /// again.
    package struct Exported: Sendable, Hashable {
        package var rows = 0
        package var leftOut = 0

        package init() {}
    }

    /// Bytes that are gathered between two writes.
    private static let pieceBytes = 1 << 16

    /// The attendees as a registration list in CSV, a row each, all as they are at one instant. Importing it again
    /// changes nothing: tags stand there by their IDs (`tag_id`), for nobody knows their UIDs.
    ///
    /// Throws `ProgramError` (failed) for passes that a list cannot tell: unnamed ones that no import made.
    package func exportList(to write: (ArraySlice<UInt8>) throws -> Void) throws -> Exported {
        try reading {
            let untold = try connection.query(
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
            guard untold.rowCount == 0 else {
                let what = untold.bool(0, 1) ? "opens nothing" : "more than zones of equal times"
                throw ProgramError.failed(
                    "pass \(untold.int(0, 0)) has no name, and \(what): give it a name first, "
                        + "or its attendees another pass")
            }
            let left = try connection.query(
                """
                SELECT count(*) FROM tapline.attendees a WHERE external_ref IS NULL
                    AND NOT EXISTS (SELECT FROM tapline.tags t WHERE t.attendee_id = a.id)
                """)
            var done = Exported()
            done.leftOut = Int(left.int(0, 0))
            done.rows = try copy(Self.list, to: write)
            return done
        }
    }

    /// The named passes with their access, as `PassCSV` reads them; gives how many. Access that is never valid (from
    /// infinity on) is left out: a file cannot tell it, and without times it would be valid always.
    package func exportPasses(to write: (ArraySlice<UInt8>) throws -> Void) throws -> Int {
        try reading {
            try copy(
                """
                SELECT p.name, colour, note, reentry, z.name AS zone,
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
        SELECT a.external_ref, a.name, a.category, a.status, p.name AS pass,
            z.zones, z.valid_from, z.valid_until, t.tag_id
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
        WHERE a.external_ref IS NOT NULL OR t.tag_id IS NOT NULL ORDER BY a.id
        """

    /// RFC 3339 in UTC, with all that PostgreSQL knows: microseconds.
    private static func time(_ expression: String, as name: String? = nil) -> String {
        #"to_char(\#(expression), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS \#(name ?? expression)"#
    }

    /// Gives the number of rows.
    @discardableResult
    private func copy(_ query: String, to write: (ArraySlice<UInt8>) throws -> Void) throws -> Int {
        var piece: [UInt8] = []
        var rows = -1  // the header
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
