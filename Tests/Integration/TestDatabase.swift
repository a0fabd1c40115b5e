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

    /// A database with the schema. It is copied from one that a superuser has migrated, which takes a tenth of the time of
    /// the migrations.
    static func migrated() throws -> TestDatabase { try TestDatabase(copying: template.get()) }

    /// The same of `tapline_migrate`, which has run the migrations.
    static func migratedByMigrator() throws -> TestDatabase {
        try TestDatabase(copying: templateOfMigrator.get(), owner: "tapline_migrate")
    }

    /// A database without a schema that the role `tapline_migrate` owns, in a cluster with all roles.
    static func ownedByMigrator() throws -> TestDatabase {
        // A superuser's migration creates the roles, which belong to the whole cluster.
        _ = try template.get()
        // Other tests may do the same at the same time.
        try TestSupport.eventually("tapline_migrate is a member of tapline_center", everyMs: 50) {
            _ = try? Psql.run(TestServers.databaseURL(), "GRANT tapline_center TO tapline_migrate")
            return try Psql.run(
                TestServers.databaseURL(), "SELECT pg_has_role('tapline_migrate', 'tapline_center', 'MEMBER')") == ["t"]
        }
        return try TestDatabase(owner: "tapline_migrate")
    }

    // Made at their first use. They remain until the servers stop.
    private static let template = Result {
        let database = try TestDatabase()
        _ = try Migrator(database.connect()).migrate()
        return database
    }
    private static let templateOfMigrator = Result {
        let database = try TestDatabase.ownedByMigrator()
        _ = try Migrator(PostgresConnection(url: database.url(as: "tapline_migrate"), applicationName: "test"))
            .migrate()
        return database
    }
}
