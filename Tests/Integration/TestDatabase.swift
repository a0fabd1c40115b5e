import Postgres
import Schema
import TestSupport

typealias TestDatabase = TestSupport.TestDatabase

extension TestDatabase {
    /// Opens a connection with the wrapper under test.
    func connect(statementTimeoutMs: Int = 60_000) throws -> PostgresConnection {
        try PostgresConnection(
            url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-test")
    }

    /// Returns the URL of sessions with the rights of a role alone.
    func url(as role: String) -> String { url + "?options=-c%20role%3D" + role }

    /// A database that the role `tapline_migrate` owns, in a cluster with all roles.
    static func ownedByMigrator() throws -> TestDatabase {
        // A superuser's migration creates the roles, which belong to the whole cluster.
        let other = try TestDatabase()
        _ = try Migrator(other.connect()).migrate()
        // Other tests may do the same at the same time.
        try TestSupport.eventually("tapline_migrate is a member of tapline_center", everyMs: 50) {
            _ = try? other.query("GRANT tapline_center TO tapline_migrate")
            return try other.query("SELECT pg_has_role('tapline_migrate', 'tapline_center', 'MEMBER')") == ["t"]
        }
        let database = try TestDatabase()
        try database.query("ALTER DATABASE \"\(database.name)\" OWNER TO tapline_migrate")
        return database
    }
}
