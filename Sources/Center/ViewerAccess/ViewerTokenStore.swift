import Crypto
package import ErrorModel
package import Postgres
import Runtime

/// Makes and revokes the tokens of viewers.
package struct ViewerTokenStore {
    /// Maximum number of valid tokens. All are read every two seconds.
    package static let limit = 1_000
    /// Maximum length of a name, in characters.
    package static let nameLimit = 64
    /// Validity that a token may have, in seconds: one minute to ten years.
    package static let expiryRangeS = 60...315_360_000
    /// Length of a token, in characters: 32 random bytes as hexadecimal digits.
    static let tokenLength = 64

    private let connection: PostgresConnection

    /// - Parameter connection: a connection with the current schema.
    package init(_ connection: PostgresConnection) { self.connection = connection }

    /// A token without its text, which only its owner has.
    package struct Token: Sendable, Equatable {
        /// Person or screen that has the token.
        package let name: String
        /// What it permits.
        package let role: ViewerRole
        /// Time at which it was made, in microseconds since 1970.
        package let madeMicros: Int64
        /// End of its validity, in microseconds since 1970.
        package let expiresMicros: Int64
        /// Time of its revocation, in microseconds since 1970; `nil` if it is not revoked.
        package let revokedMicros: Int64?
    }

    /// Makes a token. Only its hash is stored.
    ///
    /// - Parameters:
    ///   - name: person or screen that gets the token.
    ///   - role: what it permits.
    ///   - expiresS: validity in seconds, within `expiryRangeS`.
    /// - Returns: the token as text.
    /// - Throws: `ViewerTokenError`, `PostgresError`.
    package func make(name: String, role: ViewerRole, expiresS: Int) throws -> String {
        guard Self.isName(name) else { throw ViewerTokenError.invalidName(name) }
        precondition(Self.expiryRangeS.contains(expiresS))
        let token = Hex.encode(randomBytes(Self.tokenLength / 2))
        return try connection.transaction {
            // One at a time, so that the limit holds.
            try connection.query("LOCK TABLE tapline_internal.viewer_tokens IN SHARE ROW EXCLUSIVE MODE")
            let counts = try connection.query(
                """
                SELECT count(*) FILTER (WHERE expires_at > now()), count(*) FILTER (WHERE name = $1)
                FROM tapline_internal.viewer_tokens WHERE revoked_at IS NULL
                """, [.text(name)], binary: true)
            guard counts.int(0, 1) == 0 else { throw ViewerTokenError.nameInUse(name) }
            guard counts.int(0, 0) < Self.limit else { throw ViewerTokenError.tooMany }
            try connection.query(
                """
                INSERT INTO tapline_internal.viewer_tokens (token_hash, name, role, expires_at)
                VALUES ($1, $2, $3, now() + make_interval(secs => $4))
                """,
                [.bytes(Self.hash(token)), .text(name), .text(role.rawValue), .int64(Int64(expiresS))])
            return token
        }
    }

    /// Returns all tokens, the newest first.
    ///
    /// - Throws: `PostgresError`.
    package func list() throws -> [Token] {
        let rows = try connection.query(
            """
            SELECT name, role, made_at, expires_at, revoked_at FROM tapline_internal.viewer_tokens
            ORDER BY made_at DESC, name
            """, [], binary: true)
        return (0..<rows.rowCount).compactMap { row in
            ViewerRole(rawValue: rows.text(row, 1)).map {
                Token(
                    name: rows.text(row, 0), role: $0, madeMicros: rows.microseconds(row, 2),
                    expiresMicros: rows.microseconds(row, 3),
                    revokedMicros: rows.isNull(row, 4) ? nil : rows.microseconds(row, 4))
            }
        }
    }

    /// Revokes a token. Centers refuse it within three seconds.
    ///
    /// - Parameter name: name of the token.
    /// - Throws: `ViewerTokenError.unknown`, `PostgresError`.
    package func revoke(name: String) throws {
        let revoked = try connection.query(
            "UPDATE tapline_internal.viewer_tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL",
            [.text(name)])
        guard revoked.affectedRows == 0 else { return }
        let names = try list().filter { $0.revokedMicros == nil }.map(\.name)
        throw ViewerTokenError.unknown(name, nearest: NearestName.matches(name, in: names))
    }

    /// Returns the hash under which a token is stored.
    static func hash(_ token: String) -> [UInt8] { SHA256.hash(Array(token.utf8)) }

    private static func isName(_ name: String) -> Bool {
        (1...nameLimit).contains(name.unicodeScalars.count) && name.first != " " && name.last != " "
            && name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}

/// A token that cannot be made or revoked.
package enum ViewerTokenError: OperationError {
    /// The name is empty, too long, or has control characters or outer blanks.
    case invalidName(String)
    /// Another token that is not revoked has the name.
    case nameInUse(String)
    /// No token that is not revoked has the name. `nearest`: names that resemble it.
    case unknown(String, nearest: [String])
    /// As many tokens are valid as permitted.
    case tooMany

    /// `.configuration`: a retry gives the same error.
    package var category: ErrorCategory { .configuration }

    /// The name and the cause.
    package var description: String {
        switch self {
        case .invalidName(let name):
            "'\(name)': a name has 1 to \(ViewerTokenStore.nameLimit) characters, no control characters and no outer blanks"
        case .nameInUse(let name): "there is a token '\(name)' already: revoke it first, or choose another name"
        case .unknown(let name, let nearest):
            "there is no token '\(name)'"
                + (nearest.isEmpty ? "" : "; nearest: " + nearest.map { "'\($0)'" }.joined(separator: ", "))
        case .tooMany: "\(ViewerTokenStore.limit) tokens are valid: revoke those that are not needed"
        }
    }
}
