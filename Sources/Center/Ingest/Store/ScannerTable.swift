import Postgres

/// The part of `tapline.scanners` that the ingestion needs.
struct ScannerTable {
    let connection: PostgresConnection

    /// Returns the rows of the enrolled scanners among `ids`.
    func rows(_ ids: Set<String>) throws(PostgresError) -> [String: ScannerRow] {
        guard !ids.isEmpty else { return [:] }
        let result = try connection.query(
            "SELECT id, gate_id, enabled FROM tapline.scanners WHERE id = ANY ($1)", [.texts(ids.sorted())],
            binary: true)
        var rows: [String: ScannerRow] = [:]
        for row in 0..<result.rowCount {
            rows[result.text(row, 0)] = ScannerRow(
                gate: result.optionalInt(row, 1), isEnabled: result.bool(row, 2))
        }
        return rows
    }
}

/// A row of `tapline.scanners`.
struct ScannerRow {
    /// The scanner's default gate.
    let gate: Int64?
    let isEnabled: Bool
}
