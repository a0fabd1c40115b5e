package import ErrorModel
package import Postgres

/// The roles of the database, and what they may do (migrations/0019_roles.sql).
///
/// The rules are in the database: `tapline_internal.required_grants`.
package struct RoleGrants {
    /// A role with separate rights. The owner of the schema needs none.
    package enum Role: String, Sendable {
        /// Stores scans, maintains partitions and the registry.
        case center = "tapline_center"
        /// Reads the registry and records snapshots.
        case export = "tapline_export"
    }

    private let connection: PostgresConnection

    /// - Parameter connection: used by this value alone while a call is running.
    package init(_ connection: PostgresConnection) { self.connection = connection }

    /// Checks that the user of the connection has all rights of a role, before the first of them is needed.
    ///
    /// - Throws: `GrantsMissing`; `PostgresError`.
    package func require(_ role: Role) throws {
        let user = try connection.query("SELECT current_user, has_schema_privilege('tapline_internal', 'USAGE')")
        guard user.bool(0, 1) else {
            throw GrantsMissing(user: user.text(0, 0), role: role, missing: ["USAGE on schema tapline_internal"])
        }
        let rows = try connection.query("SELECT tapline_internal.missing_grants($1)", [.text(role.rawValue)])
        guard rows.rowCount == 0 else {
            throw GrantsMissing(
                user: user.text(0, 0), role: role, missing: (0..<rows.rowCount).map { rows.text($0, 0) })
        }
    }

    /// Creates the roles, if the user of the connection may, and grants their rights. Changes nothing that is complete.
    ///
    /// - Returns: the statements that an administrator must run before the next call. Empty for a user who does not own
    ///   the schema.
    /// - Throws: `PostgresError`.
    package func grant() throws -> [String] {
        let isOwner = try connection.query(
            "SELECT has_function_privilege('tapline_internal.grant_roles()', 'EXECUTE')")
        guard isOwner.bool(0, 0) else { return [] }
        let rows = try connection.query("SELECT * FROM tapline_internal.grant_roles()")
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }
}

/// The user of the database has a part of the rights that it needs, or none.
package struct GrantsMissing: OperationError, Equatable {
    /// Name of the database user.
    package let user: String
    /// The role whose rights are needed.
    package let role: RoleGrants.Role
    /// The missing rights, such as `INSERT on table tapline.journals`.
    package let missing: [String]

    /// Maximum number of rights that the description names.
    private static let namedLimit = 5

    /// Always `configuration`.
    package var category: ErrorCategory { .configuration }

    /// The user, and the first missing rights.
    package var description: String {
        let named = missing.prefix(GrantsMissing.namedLimit).joined(separator: ", ")
        let more = missing.count - GrantsMissing.namedLimit
        return "the database user \(user) lacks rights of the role \(role.rawValue): \(named)"
            + (more > 0 ? " and \(more) more" : "")
    }
}
