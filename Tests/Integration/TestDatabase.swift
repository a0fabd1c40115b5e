import Postgres
import TestSupport

typealias TestDatabase = TestSupport.TestDatabase

extension TestDatabase {
    /// A connection by our own wrapper.
    func connect(statementTimeoutMs: Int = 60_000) throws -> PostgresConnection {
        try PostgresConnection(
            url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-test")
    }
}
