import ErrorModel
import FileSystem
import Glibc
import Postgres
import TestSupport
import Testing

@testable import Ingest

/// Tests connections through PgBouncer.
struct PoolerTests {
    /// PgBouncer in front of a test database.
    private final class Pooler {
        let url: String
        private let folder = TemporaryFolder("pooler")
        private let child: ChildProcess

        init(_ database: TestDatabase, _ settings: String) throws {
            let parts = database.url.split { "/:@".contains($0) }.map(String.init)
            // postgresql, user, password, host, port, database
            try #require(parts.count == 6)
            let port = try FaultProxy.freePort()
            url = "postgresql://\(parts[1])@127.0.0.1:\(port)/\(parts[5])"
            let configuration = folder.file("pgbouncer.ini")
            try Files.writeAtomically(
                Array(
                    """
                    [databases]
                    * = host=\(parts[3]) port=\(parts[4]) user=\(parts[1]) password=\(parts[2])
                    [pgbouncer]
                    listen_addr = 127.0.0.1
                    listen_port = \(port)
                    unix_socket_dir =
                    auth_type = any
                    \(settings)

                    """.utf8), to: configuration)
            // It refuses to run as root.
            let user = geteuid() == 0 ? ["-u", "daemon"] : []
            child = try ChildProcess(
                "/usr/sbin/pgbouncer", user + [configuration], output: .null, errors: folder.file("log"))
            try eventually("PgBouncer listens") { (try? Psql.run(url, "SELECT 1")) == ["1"] }
        }

        deinit { child.kill() }
    }

    private func connect(_ pooler: Pooler) throws -> PostgresConnection {
        try PostgresConnection(url: pooler.url, applicationName: "tapline-test")
    }

    @Test(arguments: [
        "pool_mode = transaction", "pool_mode = statement", "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = transaction\nmin_pool_size = 2\nserver_round_robin = 1",
        "pool_mode = transaction\nmin_pool_size = 3\nserver_round_robin = 1",
    ])
    func poolerWithoutSessionsIsRefused(settings: String) throws {
        let database = try TestDatabase()
        let pooler = try Pooler(database, settings)
        let error = try #require(throws: PostgresError.self) { try connect(pooler) }
        #expect(error.code == .pooled && error.category == .configuration && !error.isRetriable)
        // Nothing of a refused connection stays in the sessions of the pooler.
        #expect(try Psql.run(pooler.url, "SHOW idle_in_transaction_session_timeout") == ["0"])
    }

    @Test func poolWithoutAFreeConnectionIsExplained() throws {
        let database = try TestDatabase()
        let pooler = try Pooler(database, "pool_mode = session\ndefault_pool_size = 1")
        let first = try connect(pooler)
        defer { withExtendedLifetime(first) {} }
        let error = try #require(throws: PostgresError.self) {
            let second = try PostgresConnection(
                url: pooler.url, statementTimeoutMs: 100, applicationName: "tapline-test")
            try second.query("SELECT 1")
        }
        #expect(CenterLiveness.explained(error).contains("its pool needs about 10 connections"), "\(error)")
    }

    @Test func commandsRefuseTransactionPooler() throws {
        let database = try TestDatabase.migrated()
        let pooler = try Pooler(database, "pool_mode = transaction")
        let broker = "amqp://x:x@127.0.0.1:1/x"
        for command in [
            ["migrate"], ["status"], ["run", "--amqp-url", broker, "--http", "127.0.0.1:0"],
        ] {
            let run = try Run.it("tapline-center", command + ["--database-url", pooler.url])
            #expect(run.end == .exit(78), "\(command): \(run.errors)")
            #expect(run.errors.contains("pool_mode = session"), "\(run.errors)")
        }
    }

    @Test(arguments: [1, 4]) func sessionPoolerIsAcceptedAndHoldsTheSession(sessions: Int) throws {
        let database = try TestDatabase()
        let pooler = try Pooler(database, "pool_mode = session\ndefault_pool_size = \(sessions)")
        // The session that Psql used returns to the pool after its connection has ended.
        let connection = try connect(pooler)
        #expect(try connection.query("SHOW idle_in_transaction_session_timeout").text(0, 0) == "2min")
        try connection.listen("news")
        try connection.execute("SELECT pg_advisory_lock(7)")
        let direct = try database.connect()
        #expect(!(try direct.query("SELECT pg_try_advisory_lock(7)").bool(0, 0)))
        try direct.execute("NOTIFY news, 'x'")
        try eventually("the notification arrives") {
            try connection.execute("SELECT 1")
            return try connection.notifications().first?.payload == "x"
        }
    }
}
