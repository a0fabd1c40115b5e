package import Postgres
package import Runtime
import Synchronization

/// Checks the bearer tokens of scanners, for `/snapshot/` and `/enrolment`.
///
/// All tokens are in memory, as hashes, and are read again every two seconds. So a check never asks the database: a
/// thousand scanners that download at once cost no query, and scanners download while the database is unavailable. A
/// scanner that was added or removed is known two seconds later.
package final class ScannerAccess: Sendable {
    /// Interval at which the tokens are read, in milliseconds.
    private static let intervalMs = 2_000

    private struct State {
        var table = AccessTable()
        /// Scanners that have shown the new token of a rotation, until the database knows it.
        var confirmed: Set<String> = []
    }

    private let databaseURL: String
    private let state = Mutex(State())
    private let log = Log("enrolment")

    /// Creates a check that accepts no token until its service has read them.
    ///
    /// - Parameter databaseURL: URL of the database.
    package init(databaseURL: String) { self.databaseURL = databaseURL }

    /// Returns whether a token is that of an enabled scanner. Never blocks.
    ///
    /// - Parameter token: the text after `Bearer `.
    package func allows(token: String) -> Bool { entry(token) != nil }

    /// Answers `GET /enrolment`. Never blocks.
    ///
    /// - Parameter token: the text after `Bearer `; `nil` without one.
    package func renewal(token: String?) -> EnrolmentResponse {
        guard let token, let entry = entry(token) else { return EnrolmentResponse(401, "401: unknown token\n") }
        if entry.isNew { return EnrolmentResponse(204) }
        return entry.renewal.map { EnrolmentResponse(200, $0) } ?? EnrolmentResponse(204)
    }

    private func entry(_ token: String) -> AccessTable.Entry? {
        state.withLock { state in
            let entry = state.table.entry(ofToken: token)
            if let entry, entry.isNew { state.confirmed.insert(entry.scanner) }
            return entry
        }
    }

    /// Returns the service that reads the tokens. It never throws: a failed read is repeated.
    package func service() -> Service {
        .thread("access") { [self] stop in
            var connection: PostgresConnection?
            var isReported = false
            repeat {
                do {
                    let open =
                        try connection ?? PostgresConnection(url: databaseURL, applicationName: "tapline-center access")
                    connection = open
                    try refresh(open)
                    isReported = false
                } catch {
                    connection = nil
                    if !isReported { log.warning("tokens of scanners not read, will retry", [.error: "\(error)"]) }
                    isReported = true
                }
            } while !stop.wait(ms: Self.intervalMs)
        }
    }

    /// Reads the tokens, and stores which scanners have shown a new one.
    ///
    /// - Throws: `PostgresError`.
    package func refresh(_ connection: PostgresConnection) throws {
        let confirmed = state.withLock { Array($0.confirmed) }
        if !confirmed.isEmpty {
            try connection.query(
                """
                UPDATE tapline_internal.scanner_rotations SET confirmed_at = now()
                WHERE scanner = ANY($1) AND confirmed_at IS NULL
                """, [.texts(confirmed)])
        }
        let rows = try connection.query(Self.sql, [], binary: true)
        let entries = (0..<rows.rowCount).map { row in
            AccessTable.Entry(
                hash: rows.bytes(row, 0), scanner: rows.text(row, 1), isNew: rows.bool(row, 2),
                renewal: rows.isNull(row, 3) ? nil : rows.bytes(row, 3))
        }
        state.withLock { state in
            state.table = AccessTable(entries)
            state.confirmed.subtract(confirmed)
        }
    }

    private static let sql = """
        SELECT a.download_hash, a.scanner, false, r.sealed
        FROM tapline_internal.scanner_access a JOIN tapline.scanners s ON s.id = a.scanner AND s.enabled
        LEFT JOIN tapline_internal.scanner_rotations r ON r.scanner = a.scanner
        UNION ALL
        SELECT a.previous_hash, a.scanner, false, NULL
        FROM tapline_internal.scanner_access a JOIN tapline.scanners s ON s.id = a.scanner AND s.enabled
        WHERE a.previous_until > now()
        UNION ALL
        SELECT r.download_hash, r.scanner, true, NULL
        FROM tapline_internal.scanner_rotations r JOIN tapline.scanners s ON s.id = r.scanner AND s.enabled
        """
}
