import Postgres
import TestSupport

typealias TestDatabase = TestSupport.TestDatabase

extension TestDatabase {
    /// Opens a connection with the wrapper under test.
    func connect(statementTimeoutMs: Int = 60_000) throws -> PostgresConnection {
        try PostgresConnection(
            url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-test")
    }
}
