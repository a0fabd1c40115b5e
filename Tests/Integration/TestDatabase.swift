import Postgres
import Support

typealias TestDatabase = Support.TestDatabase

extension TestDatabase {
    /// A connection by our own wrapper.
    func connect(statementTimeoutMs: Int = 60_000) throws -> PostgresConnection {
        try PostgresConnection(
            url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-test")
    }
}
