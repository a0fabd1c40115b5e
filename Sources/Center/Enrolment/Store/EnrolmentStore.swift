import Crypto
package import EnrolmentExchange
package import Postgres
package import ScanModel

/// The tables of enrolment: download credentials, one-time tokens and rotations. Each call that
/// writes is one transaction.
package struct EnrolmentStore {
    /// Time for which the former bearer token is accepted after a rotation: the running publisher still has it.
    private static let previousHours = 24
    /// Advisory lock of changes of the broker's users.
    package static let lockKey: Int64 = 0x5450_4c4e_0021

    private let connection: PostgresConnection

    /// Uses a connection to a database with the current schema.
    ///
    /// - Parameter connection: used by this value alone while a call is running.
    package init(_ connection: PostgresConnection) { self.connection = connection }

    // MARK: Credentials

    /// Returns which scanners have credentials.
    ///
    /// - Throws: `PostgresError`.
    package func enrolled(among scanners: [ScannerID]) throws -> Set<ScannerID> {
        let rows = try connection.query(
            "SELECT scanner FROM tapline_internal.scanner_access WHERE scanner = ANY($1)",
            [.texts(scanners.map(\.text))])
        return Set((0..<rows.rowCount).compactMap { ScannerID(rows.text($0, 0)) })
    }

    /// Stores the hashes of new credentials, in place of all former ones of the scanners.
    ///
    /// - Throws: `PostgresError`, also for a scanner that the registry does not have.
    package func store(_ issued: [IssuedEnrolment]) throws {
        try connection.transaction {
            try connection.execute("SET LOCAL synchronous_commit = on")
            for enrolment in issued { try put(enrolment) }
        }
    }

    private func put(_ enrolment: IssuedEnrolment) throws {
        try connection.query(
            """
            WITH tokens AS (DELETE FROM tapline_internal.enrolment_tokens WHERE scanner = $1),
            rotations AS (DELETE FROM tapline_internal.scanner_rotations WHERE scanner = $1)
            INSERT INTO tapline_internal.scanner_access (scanner, download_hash, device_key) VALUES ($1, $2, $3)
            ON CONFLICT (scanner) DO UPDATE SET download_hash = excluded.download_hash, previous_hash = NULL,
                previous_until = NULL, device_key = excluded.device_key, made_at = now()
            """,
            [
                .text(enrolment.scanner.text), .bytes(enrolment.downloadHash),
                enrolment.deviceKey.map { .bytes($0) } ?? .null,
            ])
    }

    /// Disables a scanner, and deletes all its credentials.
    ///
    /// - Returns: whether the registry has the scanner.
    /// - Throws: `PostgresError`.
    package func disable(_ scanner: ScannerID) throws -> Bool {
        try connection.transaction {
            try connection.execute("SET LOCAL synchronous_commit = on")
            return try connection.query(
                """
                WITH tokens AS (DELETE FROM tapline_internal.enrolment_tokens WHERE scanner = $1),
                access AS (DELETE FROM tapline_internal.scanner_access WHERE scanner = $1)
                UPDATE tapline.scanners SET enabled = false WHERE id = $1 RETURNING id
                """, [.text(scanner.text)]
            ).rowCount == 1
        }
    }

    /// Changes users of the broker. All other commands that change some wait until it has ended.
    ///
    /// Without this, a command makes the user of a scanner again after another command has deleted it.
    ///
    /// - Parameter body: reads the state of the scanners, and changes the broker.
    /// - Returns: the result of `body`.
    /// - Throws: `PostgresError`, and the error of `body`.
    package func changingBrokerUsers<Result>(_ body: () throws -> Result) throws -> Result {
        try connection.query("SELECT pg_advisory_lock($1)", [.int64(Self.lockKey)])
        defer { _ = try? connection.query("SELECT pg_advisory_unlock($1)", [.int64(Self.lockKey)]) }
        return try body()
    }

    /// Returns the IDs of the enabled scanners.
    ///
    /// - Throws: `PostgresError`.
    package func enabledScanners() throws -> Set<String> {
        let rows = try connection.query("SELECT id FROM tapline.scanners WHERE enabled")
        return Set((0..<rows.rowCount).map { rows.text($0, 0) })
    }

    /// Returns the begin of the span in which scans of a scanner that arrive now are void, in RFC 3339; `nil` without one.
    ///
    /// - Throws: `PostgresError`.
    package func openVoidSpan(of scanner: ScannerID) throws -> String? {
        let rows = try connection.query(
            #"""
            SELECT to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM tapline_internal.void_spans
            WHERE scanner_id = $1 AND until > now()
            """#, [.text(scanner.text)])
        return rows.rowCount == 0 ? nil : rows.text(0, 0)
    }

    // MARK: Tokens

    /// Stores new credentials, and the token that fetches them once.
    ///
    /// - Parameters:
    ///   - token: the token.
    ///   - issued: the credentials.
    ///   - validS: validity of the token, in seconds.
    /// - Throws: `PostgresError`, `CryptoError`.
    package func store(_ token: EnrolmentToken, _ issued: IssuedEnrolment, validS: Int) throws {
        let sealed = try token.seal(issued.content)
        try connection.transaction {
            try connection.execute("SET LOCAL synchronous_commit = on")
            try put(issued)
            try connection.execute("DELETE FROM tapline_internal.enrolment_tokens WHERE expires_at < now()")
            try connection.query(
                """
                INSERT INTO tapline_internal.enrolment_tokens (token_hash, scanner, sealed, expires_at)
                VALUES ($1, $2, $3, now() + $4 * interval '1 second')
                """,
                [
                    .bytes(SHA256.hash(token.lookup)), .text(issued.scanner.text), .bytes(sealed),
                    .int32(Int32(clamping: validS)),
                ])
        }
    }

    /// Uses a token: notes the key of the device, and returns the encrypted enrolment file.
    ///
    /// - Parameter request: the request of the device. The same device may repeat it while the token is valid.
    /// - Returns: `nil` for a token that is unknown, expired, or used by another device. The scanner must be enabled.
    /// - Throws: `PostgresError`.
    package func redeem(_ request: EnrolmentRequest) throws -> [UInt8]? {
        try connection.transaction {
            try connection.execute("SET LOCAL synchronous_commit = on")
            let rows = try connection.query(
                """
                UPDATE tapline_internal.enrolment_tokens t
                SET used_at = coalesce(t.used_at, now()), used_key = coalesce(t.used_key, $2)
                FROM tapline.scanners s
                WHERE t.token_hash = $1 AND t.expires_at > now() AND coalesce(t.used_key, $2) = $2
                    AND s.id = t.scanner AND s.enabled
                RETURNING t.scanner, t.sealed
                """, [.bytes(SHA256.hash(request.lookup)), .bytes(request.deviceKey)], binary: true)
            guard rows.rowCount == 1 else { return nil }
            try connection.query(
                "UPDATE tapline_internal.scanner_access SET device_key = $2 WHERE scanner = $1",
                [.text(rows.text(0, 0)), .bytes(request.deviceKey)])
            return rows.bytes(0, 1)
        }
    }

    // MARK: Rotation

    /// A replacement of credentials that is not in force yet.
    package struct Rotation: Sendable, Equatable {
        /// Hash of the new password for the broker.
        package let passwordHash: String
        /// Whether the device has the new file.
        package let isConfirmed: Bool
    }

    /// Returns the public key of the device of a scanner.
    ///
    /// - Returns: `nil` if no device has shown a key, or the scanner has no credentials.
    /// - Throws: `PostgresError`.
    package func deviceKey(of scanner: ScannerID) throws -> [UInt8]? {
        let rows = try connection.query(
            "SELECT device_key FROM tapline_internal.scanner_access WHERE scanner = $1", [.text(scanner.text)],
            binary: true)
        return rows.rowCount == 1 && !rows.isNull(0, 0) ? rows.bytes(0, 0) : nil
    }

    /// Returns the rotation of a scanner; `nil` without one.
    ///
    /// - Throws: `PostgresError`.
    package func rotation(of scanner: ScannerID) throws -> Rotation? {
        let rows = try connection.query(
            """
            SELECT password_hash, confirmed_at IS NOT NULL FROM tapline_internal.scanner_rotations WHERE scanner = $1
            """, [.text(scanner.text)])
        return rows.rowCount == 1 ? Rotation(passwordHash: rows.text(0, 0), isConfirmed: rows.bool(0, 1)) : nil
    }

    /// Stores new credentials beside the present ones, which stay in force.
    ///
    /// - Parameters:
    ///   - issued: the new credentials, made for the key of the device.
    ///   - deviceKey: public key of the device.
    /// - Throws: `PostgresError`, `CryptoError`.
    package func startRotation(_ issued: IssuedEnrolment, deviceKey: [UInt8]) throws {
        let sealed = try SealedMessage.seal(
            issued.content.json(), to: deviceKey, purpose: EnrolmentRenewal.purpose)
        try connection.query(
            """
            INSERT INTO tapline_internal.scanner_rotations (scanner, download_hash, password_hash, sealed)
            VALUES ($1, $2, $3, $4)
            """,
            [
                .text(issued.scanner.text), .bytes(issued.downloadHash), .text(issued.passwordHash), .bytes(sealed),
            ])
    }

    /// Puts the new credentials of a confirmed rotation in force. Call it after the broker has the new password.
    ///
    /// - Throws: `PostgresError`.
    package func finishRotation(of scanner: ScannerID) throws {
        try connection.query(
            """
            WITH done AS (
                DELETE FROM tapline_internal.scanner_rotations WHERE scanner = $1 AND confirmed_at IS NOT NULL
                RETURNING scanner, download_hash)
            UPDATE tapline_internal.scanner_access a SET previous_hash = a.download_hash,
                previous_until = now() + $2 * interval '1 hour', download_hash = done.download_hash, made_at = now()
            FROM done WHERE a.scanner = done.scanner
            """, [.text(scanner.text), .int32(Int32(Self.previousHours))])
    }
}
