package import ErrorModel

/// A failed PostgreSQL call: the operation, the cause and whether a retry can help.
package struct PostgresError: OperationError, CustomDebugStringConvertible {
    /// Extensible: compare with the constants.
    package struct Code: RawRepresentable, Hashable, Sendable {
        /// The name of the code in logs and tests.
        package let rawValue: String
        /// Creates a code from its name.
        package init(rawValue: String) { self.rawValue = rawValue }

        /// No connection: server unavailable, wrong address or wrong password.
        package static let cannotConnect = Code(rawValue: "cannot-connect")
        /// The connection is lost; the outcome of the last statement is unknown.
        package static let connectionLost = Code(rawValue: "connection-lost")
        /// The call timed out and the socket was closed; the outcome of the last statement is unknown.
        package static let deadline = Code(rawValue: "deadline")
        /// The server rejected the statement; see `sqlState`.
        package static let server = Code(rawValue: "server")
        /// The server answered COMMIT with a WARNING (a cancelled wait for a synchronous standby) or with a ROLLBACK.
        /// The transaction must be treated as not committed.
        package static let commitWithWarning = Code(rawValue: "commit-with-warning")
        /// The call does not fit the statement, for example `copyIn` with a statement other than COPY.
        package static let misuse = Code(rawValue: "misuse")
        /// A pooler gives each transaction another session, so the settings of the connection do not hold.
        package static let pooled = Code(rawValue: "pooled")
        /// The server is another machine, and the URL does not demand a verified certificate.
        package static let insecure = Code(rawValue: "insecure")
    }

    /// Kind of failure.
    package let code: Code
    /// `connect`, or the first 200 characters of the statement.
    package let operation: String
    /// Five characters (https://www.postgresql.org/docs/15/errcodes-appendix.html); `nil` without an answer of the
    /// server.
    package let sqlState: String?
    /// The primary message. Never contains a password.
    package let message: String
    /// The server's detail and hint; may quote data.
    package let detail: String?
    /// The violated constraint, for class 23.
    package let constraint: String?

    init(
        _ code: Code, _ operation: String, message: String, sqlState: String? = nil, detail: String? = nil,
        constraint: String? = nil
    ) {
        self.code = code
        self.operation = String(operation.prefix(200))
        self.message = message
        self.sqlState = sqlState
        self.detail = detail
        self.constraint = constraint
    }

    /// The message with its SQLSTATE, without the statement.
    package var description: String { message + (sqlState.map { " (SQLSTATE \($0))" } ?? "") }
    /// The operation, the message and the server's detail. May quote data.
    package var debugDescription: String {
        "\(operation): \(description)" + (detail.map { "; \($0)" } ?? "")
    }

    private func isClass(_ classes: String...) -> Bool { classes.contains { sqlState?.hasPrefix($0) == true } }

    /// `.unavailable` without a usable connection, `.configuration` for misuse, an invalid or unprotected URL and a
    /// pooler, otherwise `.failure`.
    package var category: ErrorCategory {
        isConnectionLost ? .unavailable : [.misuse, .pooled, .insecure].contains(code) ? .configuration : .failure
    }

    /// Whether the connection is unusable: open a new one, with back-off.
    package var isConnectionLost: Bool {
        [.cannotConnect, .connectionLost, .deadline].contains(code) || isClass("08", "57P")
    }
    /// Whether the error is a serialization failure or a deadlock: the same transaction may succeed when run again.
    package var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }
    /// Whether the statement was cancelled, by a `PostgresCanceller` or by the server's time limit.
    package var isCancelled: Bool { sqlState == "57014" }
    /// Whether the data cannot be stored (classes 22 and 23); a retry would fail again.
    package var isDataError: Bool { isClass("22", "23") }
    /// Whether the rows cause the error, so that no retry can store them.
    ///
    /// These are data errors, cardinality (class 21) and a view's check option (44). The limits of a value or a
    /// statement (54) and errors raised by triggers (P0) belong to them as well.
    package var blamesData: Bool { isDataError || isClass("21", "44", "54", "P0") }
    /// Whether the request is correct and may succeed later.
    ///
    /// Lost connection, serialization failure, resources (disk full, memory, locks, time-outs), a server in recovery,
    /// or an unreliable COMMIT.
    package var isRetriable: Bool {
        isConnectionLost || isSerializationFailure || code == .commitWithWarning || sqlState == "25006"
            || isClass("53", "55", "57", "58")
    }
}

/// A notice that the server sent with an answer.
struct PostgresNotice: Sendable, Hashable {
    /// `WARNING`, `NOTICE`, `INFO`, `LOG` or `DEBUG`; never translated.
    let severity: String
    let sqlState: String
    let message: String
}

/// A NOTIFY from another session.
package struct PostgresNotification: Sendable, Hashable {
    /// Channel of the notification.
    package let channel: String
    /// Payload, shorter than 8,000 bytes; empty if the sender gave none.
    package let payload: String
}
