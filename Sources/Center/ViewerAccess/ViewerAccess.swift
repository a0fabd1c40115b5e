import LinuxSystem
package import Postgres
package import Runtime
import Synchronization

/// Checks the tokens of viewers.
///
/// All tokens are in memory, as hashes, and are read again every two seconds. So a check never asks the database, and
/// viewers keep their access while the database is unavailable. A revocation acts two seconds later.
package final class ViewerAccess: Sendable {
    /// Interval at which the tokens are read, in milliseconds.
    private static let intervalMs = 2_000

    private let databaseURL: String
    private let table = Mutex(ViewerTable())
    private let log = Log("viewers")

    /// Creates a check that accepts no token until its service has read them.
    ///
    /// - Parameter databaseURL: URL of the database.
    package init(databaseURL: String) { self.databaseURL = databaseURL }

    /// Returns the role of a token; `nil` if it is unknown, expired or revoked. Never blocks.
    ///
    /// - Parameter token: the token as text.
    package func role(token: String) -> ViewerRole? { validity(token: token)?.role }

    /// Returns the role of a token and the rest of its validity in seconds; `nil` if it is unknown, expired or revoked.
    /// Never blocks.
    ///
    /// - Parameter token: the token as text.
    package func validity(token: String) -> (role: ViewerRole, seconds: Int)? {
        let nowMicros = SystemClock.nowMicroseconds()
        return table.withLock { $0.entry(ofToken: token, nowMicros: nowMicros) }
            .map { ($0.role, Int(($0.expiresMicros - nowMicros) / 1_000_000)) }
    }

    /// Returns the service that reads the tokens. It never throws: a failed read is repeated.
    package func service() -> Service {
        .thread("viewers") { [self] stop in
            var connection: PostgresConnection?
            var isReported = false
            repeat {
                do {
                    let open =
                        try connection
                        ?? PostgresConnection(url: databaseURL, applicationName: "tapline-center viewers")
                    connection = open
                    try refresh(open)
                    isReported = false
                } catch {
                    connection = nil
                    if !isReported { log.warning("tokens of viewers not read, will retry", [.error: "\(error)"]) }
                    isReported = true
                }
            } while !stop.wait(ms: Self.intervalMs)
        }
    }

    /// Reads the tokens.
    ///
    /// - Parameter connection: a connection with the current schema.
    /// - Throws: `PostgresError`.
    package func refresh(_ connection: PostgresConnection) throws {
        let rows = try connection.query(
            """
            SELECT token_hash, role, expires_at FROM tapline_internal.viewer_tokens
            WHERE revoked_at IS NULL AND expires_at > now()
            """, [], binary: true)
        var entries: [[UInt8]: ViewerTable.Entry] = [:]
        for row in 0..<rows.rowCount {
            guard let role = ViewerRole(rawValue: rows.text(row, 1)) else { continue }
            entries[rows.bytes(row, 0)] = ViewerTable.Entry(role: role, expiresMicros: rows.microseconds(row, 2))
        }
        let table = ViewerTable(entries)
        self.table.withLock { $0 = table }
    }
}
