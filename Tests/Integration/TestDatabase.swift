import Glibc
import Postgres
import Testing

/// A database of its own for one test, on the server of `TAPLINE_TEST_DATABASE_URL`, dropped at the end.
final class TestDatabase {
    let name: String
    let url: String
    private let admin: PostgresConnection

    /// Fails the test when the variable is unset or the server is away: nothing is silently skipped.
    init() throws {
        let base = try #require(
            getenv("TAPLINE_TEST_DATABASE_URL").map { String(cString: $0) },
            "TAPLINE_TEST_DATABASE_URL is unset: a superuser's URL is needed (scripts/servers start DIR; . DIR/env)")
        name = "tapline_test_\(getpid())_\(UInt32.random(in: 0 ... .max))"
        admin = try PostgresConnection(url: base, applicationName: "tapline-test")
        try admin.execute("CREATE DATABASE \(name)")
        // postgresql://user@host:port/database?settings -> the same with the new database.
        let parts = base.split(separator: "?", maxSplits: 1)
        let slash = parts[0].lastIndex(of: "/")!
        let hasDatabase = parts[0].filter { $0 == "/" }.count > 2
        url =
            (hasDatabase ? String(parts[0][..<slash]) : String(parts[0])) + "/\(name)"
            + (parts.count > 1 ? "?\(parts[1])" : "")
    }

    func connect(statementTimeoutMs: Int = 60_000) throws -> PostgresConnection {
        try PostgresConnection(
            url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-test")
    }

    deinit { _ = try? admin.execute("DROP DATABASE \(name) WITH (FORCE)") }
}
