import Postgres

extension RegistryStore {
    /// Maximum number of names of one kind in an error.
    private static let namesLimit = 5

    /// Removes a zone to which nothing refers.
    ///
    /// - Throws: `RegistryError.zoneMissing`, `RegistryError.placeInUse` with what refers to it, `PostgresError`.
    package func removeZone(_ name: String) throws {
        try change {
            let id = PostgresParameter.int64(try zoneID(name))
            let users = try [
                users("gates", "SELECT name FROM tapline.gates WHERE $1 IN (zone_id, from_zone_id) ORDER BY name", id),
                users("zones within it", "SELECT name FROM tapline.zones WHERE parent_id = $1 ORDER BY name", id),
                users(
                    "passes",
                    """
                    SELECT DISTINCT coalesce(p.name, 'unnamed pass ' || p.id)
                    FROM tapline.access a JOIN tapline.passes p ON p.id = a.pass_id WHERE a.zone_id = $1 ORDER BY 1
                    """, id),
                count("people are inside", "SELECT count(*) FROM tapline.presence WHERE zone_id = $1", id),
            ].compactMap(\.self)
            guard users.isEmpty else { throw RegistryError.placeInUse(.zone, name, by: users) }
            try connection.query("DELETE FROM tapline.zones WHERE id = $1", [id])
        }
    }

    /// Removes a gate to which nothing refers.
    ///
    /// - Throws: `RegistryError.gateMissing`, `RegistryError.placeInUse` with what refers to it, `PostgresError`.
    package func removeGate(_ name: String) throws {
        try change {
            let id = PostgresParameter.int64(try gateID(name))
            let users = try [
                users("scanners", "SELECT id FROM tapline.scanners WHERE gate_id = $1 ORDER BY id", id),
                count(
                    "minutes with scans are stored",
                    "SELECT count(DISTINCT date_trunc('minute', slot)) FROM tapline_internal.gate_flow WHERE gate_id = $1",
                    id),
            ].compactMap(\.self)
            guard users.isEmpty else { throw RegistryError.placeInUse(.gate, name, by: users) }
            try connection.query("DELETE FROM tapline.gates WHERE id = $1", [id])
        }
    }

    /// Returns the names of a query, with their kind; `nil` without a row.
    private func users(_ kind: String, _ sql: String, _ id: PostgresParameter) throws -> String? {
        let rows = try connection.query(sql, [id])
        guard rows.rowCount > 0 else { return nil }
        let names = (0..<min(rows.rowCount, Self.namesLimit)).map { "'\(rows.text($0, 0))'" }.joined(separator: ", ")
        let more = rows.rowCount > Self.namesLimit ? " and \(rows.rowCount - Self.namesLimit) more" : ""
        return "\(kind) \(names)\(more)"
    }

    /// Returns a number with its meaning; `nil` for 0.
    private func count(_ meaning: String, _ sql: String, _ id: PostgresParameter) throws -> String? {
        let count = try connection.query(sql, [id]).int(0, 0)
        return count == 0 ? nil : "\(count) \(meaning)"
    }
}
