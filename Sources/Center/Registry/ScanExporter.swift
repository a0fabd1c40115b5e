package import Postgres
import RegistrationLists
import Runtime

/// Writes stored scans as CSV: admitted and denied ones and lane events, one row for each scan.
///
/// The rows are streamed by COPY in the order of the database, so neither program nor server holds them all.
package struct ScanExporter {
    /// Which scans, and whether with names.
    package struct Selection: Sendable {
        /// Time of the scan from which on they are written, in microseconds since 1970; `nil`: from the first on.
        package var sinceMicros: Int64?
        /// Time of the scan before which they are written, in the same unit; `nil`: to the last.
        package var untilMicros: Int64?
        /// Name of a zone: scans at the gates into or out of it, or of a zone within it; `nil`: all.
        package var zone: String?
        /// Name of a gate; `nil`: all.
        package var gate: String?
        /// Whether the rows have name, category and reference of the person.
        package var hasNames = false

        /// Creates a selection of all scans without names.
        package init() {}
    }

    /// Size of one write, in bytes.
    private static let pieceBytes = 1 << 16

    private let connection: PostgresConnection
    private let registry: RegistryStore

    /// Creates an export.
    ///
    /// - Parameter connection: without a statement time limit, because the duration depends on the number of scans.
    /// - Throws: `SchemaError`, `PostgresError`.
    package init(_ connection: PostgresConnection) throws {
        self.connection = connection
        registry = try RegistryStore(connection)
    }

    /// Writes the scans as of one instant.
    ///
    /// - Parameters:
    ///   - selection: which scans.
    ///   - progress: receives the number of rows written, and about how many there are without zone and gate.
    ///   - write: receives the pieces of the file.
    /// - Returns: the number of scans.
    /// - Throws: `RegistryError` for an unknown zone or gate; `PostgresError`, and the errors of `write`.
    package func write(
        _ selection: Selection, progress: (_ rows: Int, _ expected: Int64) -> Void,
        to write: (ArraySlice<UInt8>) throws -> Void
    ) throws -> Int {
        try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            // A Gather node would send each scan with its whole run.
            try connection.execute("SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off")
            let gates = try gateCondition(selection)
            let (since, until) = (Self.literal(selection.sinceMicros, "-"), Self.literal(selection.untilMicros, ""))
            let expected = try connection.query(
                """
                SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint FROM tapline_internal.scan_runs
                WHERE latest >= \(since) AND earliest < \(until)
                """
            ).int(0, 0)
            var piece: [UInt8] = []
            var rows = -1  // not counting the header
            try connection.copyOut(
                "COPY (\(Self.sql(selection, since, until, gates))) TO STDOUT (FORMAT csv, HEADER)"
            ) { row in
                piece += row
                rows += 1
                guard piece.count >= Self.pieceBytes else { return }
                try write(piece[...])
                progress(rows, expected)
                piece.removeAll(keepingCapacity: true)
            }
            try write(piece[...])
            return rows
        }
    }

    /// Returns the condition of the gates; empty for all.
    private func gateCondition(_ selection: Selection) throws -> String {
        var condition = ""
        if let gate = selection.gate { condition += " AND s.gate_id = \(try registry.gateID(gate))" }
        if let zone = selection.zone {
            let zone = try registry.zoneID(zone)
            condition += """
                 AND s.gate_id IN (SELECT g.id FROM tapline.gates g JOIN tapline_internal.zone_paths() z
                    ON z.zone_id IN (g.zone_id, g.from_zone_id) WHERE \(zone) = ANY (z.ids))
                """
        }
        return condition
    }

    /// COPY takes no parameters. The literals are numbers, and names are looked up before.
    private static func literal(_ micros: Int64?, _ sign: String) -> String {
        guard let micros else { return "'\(sign)infinity'::timestamptz" }
        return "'\(UTCTime.text(microseconds: micros))'::timestamptz"
    }

    /// Names of gates, zones and people are marked once each, and not for each scan.
    private static func sql(_ selection: Selection, _ since: String, _ until: String, _ gates: String) -> String {
        func marked(_ name: String, isIdentifier: Bool = false) -> String {
            FormulaMark.markedSQL(name, isIdentifier: isIdentifier)
        }
        let names =
            selection.hasNames
            ? ", a.name, a.category, a.external_ref" : ""
        let people =
            selection.hasNames
            ? """
            LEFT JOIN (SELECT id, \(marked("name")) AS name, \(marked("category")) AS category,
                \(marked("external_ref", isIdentifier: true)) AS external_ref FROM tapline.attendees) a
                ON a.id = s.attendee_id
            """ : ""
        return """
            SELECT \(time("s.time")) AS time, g.name AS gate, z.name AS zone, s.direction, s.verdict, s.verdict_name,
                s.counts\(names), s.attendee_id, s.tag_id, s.scanner_id AS scanner, s.flags, s.is_annulled AS annulled,
                s.is_void AS void, \(time("s.scanned_at")) AS scanned_at, \(time("s.received_at")) AS received_at,
                s.snapshot_version AS snapshot, s.log AS journal, s.seq
            FROM tapline.all_scans(\(since), \(until)) s
            LEFT JOIN (SELECT id, \(marked("name")) AS name FROM tapline.gates) g ON g.id = s.gate_id
            LEFT JOIN (SELECT id, \(marked("name")) AS name FROM tapline.zones) z ON z.id = s.zone_id
            \(people)
            WHERE true\(gates)
            """
    }

    private static func time(_ expression: String) -> String { PersonReport.time(expression) }
}
