import ErrorModel
package import Postgres
import Runtime
import Schema

/// The registration list, zones, gates and scanners of the event. Each change is one call, in one transaction.
///
/// Calls throw `RegistryError` for a rejected change, and `PostgresError`.
package struct RegistryStore {
    let connection: PostgresConnection
    let log = Log("registry")

    /// Uses a connection, and checks its schema.
    ///
    /// - Parameter connection: used by this value alone while a call is running.
    /// - Throws: `SchemaError` unless the schema is the one that this program needs; `PostgresError`.
    package init(_ connection: PostgresConnection) throws {
        self.connection = connection
        try Migrator(connection).requireCurrent()
    }

    /// A change of an optional value.
    package enum Change<Value: Sendable>: Sendable {
        case keep, clear
        case set(Value)

        /// Returns the change that a text stands for.
        ///
        /// - Parameter text: `nil` keeps the value; an empty text clears it.
        package static func text(_ text: String?) -> Change<String> {
            guard let text else { return .keep }
            return text.isEmpty ? .clear : .set(text)
        }
    }

    /// Returns the id of a zone.
    ///
    /// - Throws: `RegistryError.zoneMissing`, `PostgresError`.
    func zoneID(_ name: String) throws -> Int64 {
        guard let id = try findZone(name) else {
            throw RegistryError.zoneMissing(.init(name, near: NearestName.matches(name, in: try zoneNames())))
        }
        return id
    }

    /// Returns the id of a gate.
    ///
    /// - Throws: `RegistryError.gateMissing`, `PostgresError`.
    func gateID(_ name: String) throws -> Int64 {
        let found = try connection.query("SELECT id FROM tapline.gates WHERE name = normalize($1, NFC)", [.text(name)])
        guard found.rowCount == 1 else {
            throw RegistryError.gateMissing(.init(name, near: NearestName.matches(name, in: try gateNames())))
        }
        return found.int(0, 0)
    }

    /// Returns the id of a zone, which is created if it is missing.
    ///
    /// - Parameter allowsSimilar: whether it is also created if its name looks like a misspelling of another one.
    /// - Throws: `RegistryError.nameResembles`, `RegistryError.nameLooksEqual`, `PostgresError`.
    func findOrAddZone(_ name: String, allowsSimilar: Bool) throws -> Int64 {
        if let id = try findZone(name) { return id }
        try RegistryName.check("zone", name, isListed: true)
        if !allowsSimilar { try requireDistinct(.zone, name, from: try zoneNames()) }
        try requireDistinguishable(.zone, name)
        let made = try connection.query("INSERT INTO tapline.zones (name) VALUES ($1) RETURNING id", [.text(name)])
        log.info("zone added", [.name: name])
        return made.int(0, 0)
    }

    /// Refuses a new name that is probably a misspelling of an existing one.
    ///
    /// - Throws: `RegistryError.nameResembles`.
    func requireDistinct(_ place: RegistryError.Place, _ name: String, from known: [String]) throws {
        let near = known.filter { NearestName.isMisspelling(name, of: $0) }
        guard near.isEmpty else { throw RegistryError.nameResembles(place, .init(name, near: near)) }
    }

    /// Refuses a new name that people cannot tell apart from an existing one: it differs only in case, blanks or Unicode
    /// form. An equal name is left to the constraint of the table.
    ///
    /// - Parameter id: the place that gets the name; `nil`: a new one.
    /// - Throws: `RegistryError.nameLooksEqual`, `PostgresError`.
    func requireDistinguishable(_ place: RegistryError.Place, _ name: String, for id: Int64? = nil) throws {
        // PostgreSQL knows the compatibility forms, such as full-width letters.
        let rows = try connection.query(
            """
            SELECT name, normalize(name, NFKC), normalize($1, NFKC) FROM tapline.\(place.rawValue)s
            WHERE name <> normalize($1, NFC) AND id IS DISTINCT FROM $2 ORDER BY name
            """, [.text(name), .optional(id)])
        for row in 0..<rows.rowCount
        where RegistryName.lookEqual(rows.text(row, 1), rows.text(row, 2)) {
            throw RegistryError.nameLooksEqual(place, name, existing: rows.text(row, 0))
        }
    }

    /// Returns the names of all zones in alphabetical order.
    func zoneNames() throws -> [String] { try names("SELECT name FROM tapline.zones ORDER BY name") }

    /// Returns the names of all gates in alphabetical order.
    func gateNames() throws -> [String] { try names("SELECT name FROM tapline.gates ORDER BY name") }

    private func names(_ sql: String) throws -> [String] {
        let rows = try connection.query(sql)
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }

    private func findZone(_ name: String) throws -> Int64? {
        let found = try connection.query("SELECT id FROM tapline.zones WHERE name = normalize($1, NFC)", [.text(name)])
        return found.rowCount == 1 ? found.int(0, 0) : nil
    }

    /// Runs `body` in a transaction.
    ///
    /// - Throws: `RegistryError` for errors of the database that the user can correct; otherwise the error of `body`.
    func change<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try connection.transaction {
                try connection.execute("SET LOCAL synchronous_commit = on")
                return try body()
            }
        } catch let error as PostgresError {
            guard let rejection = RegistryError(error) else { throw error }
            throw rejection
        }
    }
}
