import CPostgres

/// Detects a pooler that gives each transaction another session of the server.
///
/// PgBouncer does this with `pool_mode` `transaction` or `statement`. Settings, advisory locks and LISTEN belong to a
/// session, so nothing that relies on them holds there.
extension PostgresConnection {
    /// Time limit of a query of the second connection, in milliseconds. A session pool without a free session
    /// responds to none.
    static let sessionProbeTimeoutMs = 3_000
    /// Number of comparisons. Other clients of the pooler may hide the change of the session in some of them.
    private static let sessionProbeRounds = 5

    /// The server process of a session.
    private struct Backend: Equatable {
        let pid: Int64
        /// Tells the servers of a pooler apart.
        let serverStart: String
    }

    /// Throws if this connection has no session for itself.
    ///
    /// Without a pooler, the server process is the one that was announced at connect: one query and no second
    /// connection. Otherwise two open connections are compared. With own sessions, neither changes its process, and
    /// they never share one.
    ///
    /// - Parameter connectAgain: makes a second connection with the same settings.
    /// - Throws: `PostgresError` of code `pooled`.
    func requireOwnSession(
        _ connectAgain: () throws(PostgresError) -> PostgresConnection
    ) throws(PostgresError) {
        let first = try backend()
        guard first.pid != Int64(PQbackendPID(handle)) else { return }
        // A server or a session pool whose connections are all in use refuses the second one. That does not show that
        // sessions are shared, and a center that is refused then would not start again during a rush. The next
        // connection is checked again.
        guard let other = try? connectAgain() else { return }
        for _ in 0..<Self.sessionProbeRounds {
            // Twice, because a pooler that takes its sessions in turn may alternate between two connections.
            for _ in 0..<2 {
                guard try backend() == first else { throw Self.pooled }
            }
            // A session pool with no session left is no reason to refuse.
            guard let second = try? other.backend() else { return }
            guard second != first else { throw Self.pooled }
        }
    }

    private func backend() throws(PostgresError) -> Backend {
        let row = try execute("SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time())::text")
        return Backend(pid: row.int(0, 0), serverStart: row.text(0, 1))
    }

    private static var pooled: PostgresError {
        PostgresError(
            .pooled, "connect",
            message: "a pooler (such as PgBouncer with pool_mode = transaction) gives each transaction another session "
                + "of the database: settings, locks and notifications do not hold. Connect to PostgreSQL itself, or "
                + "set pool_mode = session for this database")
    }
}
