import CLI
package import Postgres
import Runtime
import Schema

/// What an event knows of people, zones, gates and scanners, and how it is changed: every command of `tapline-center` that
/// does so is one call here, in one transaction.
///
/// Calls throw `ProgramError` with what to tell the user, or `PostgresError`.
package struct RegistryStore {
    let connection: PostgresConnection
    let log = Log("registry")

    /// Throws `ProgramError` (configuration) unless the schema is what this program needs.
    package init(_ connection: PostgresConnection) throws {
        self.connection = connection
        try Migrator(connection).requireCurrent()
    }

    /// A value that may be left as it is, emptied, or set.
    package enum Change<Value: Sendable>: Sendable {
        case keep, clear
        case set(Value)

        /// Nil keeps; an empty text clears.
        package static func text(_ text: String?) -> Change<String> {
            guard let text else { return .keep }
            return text.isEmpty ? .clear : .set(text)
        }
    }

    /// The id of a zone; throws when there is none of that name.
    func zoneID(_ name: String) throws -> Int64 {
        let found = try connection.query("SELECT id FROM tapline.zones WHERE name = $1", [.text(name)])
        guard found.rowCount == 1 else {
            throw ProgramError.failed("there is no zone '\(name)' (tapline-center zone list)")
        }
        return found.int(0, 0)
    }

    func gateID(_ name: String) throws -> Int64 {
        let found = try connection.query("SELECT id FROM tapline.gates WHERE name = $1", [.text(name)])
        guard found.rowCount == 1 else {
            throw ProgramError.failed("there is no gate '\(name)' (tapline-center gate list)")
        }
        return found.int(0, 0)
    }

    /// A zone's id, made if there is none of that name.
    func zoneMadeIfMissing(_ name: String) throws -> Int64 {
        let found = try connection.query("SELECT id FROM tapline.zones WHERE name = $1", [.text(name)])
        if found.rowCount == 1 { return found.int(0, 0) }
        let made = try connection.query("INSERT INTO tapline.zones (name) VALUES ($1) RETURNING id", [.text(name)])
        log.info("zone made", [.name: name])
        return made.int(0, 0)
    }

    /// Runs `body` in a transaction, and turns the errors that a user can mend into their own words.
    func change<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try connection.transaction {
                try connection.execute("SET LOCAL synchronous_commit = on")
                return try body()
            }
        } catch let error as PostgresError {
            switch (error.sqlState, error.constraint) {
            case (_, "gates_policy_check"): throw ProgramError.failed("the policy is not valid: \(Self.policyHelp)")
            case (_, "gates_check"):
                throw ProgramError.failed("a gate cannot lead into the zone that it leads out to")
            case (_, "zones_name_check"):
                throw ProgramError.failed("a zone's name is not empty and holds no ';', which joins names in imports")
            case (_, "gates_name_check"), (_, "event_name_check"):
                throw ProgramError.failed("the name is empty")
            case (_, "zones_check"): throw ProgramError.failed("a zone cannot lie within itself")
            case ("23505", _): throw ProgramError.failed("it exists already: \(error.detail ?? error.message)")
            case ("23503", _): throw ProgramError.failed("it is still in use: \(error.detail ?? error.message)")
            case ("23514", _), ("22023", _): throw ProgramError.failed(error.message)
            default: throw error
            }
        }
    }

    static let policyHelp =
        #"JSON as {"antipassback":"timed","minutes":10}; keys are antipassback (off, soft, hard, timed with minutes), "#
        + "debounce_ms, tolerance_s, no_snapshot and expired (admit, deny), uid_only (true, false)"
}
