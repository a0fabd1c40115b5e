/// A failed PostgreSQL call: what was tried, why it failed, and what that means for a retry.
package struct PostgresError: Error, CustomStringConvertible, CustomDebugStringConvertible, Sendable {
    /// Open for more: compare with the constants.
    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        /// No connection could be made: server away, wrong address, wrong password.
        package static let cannotConnect = Code(rawValue: "cannot-connect")
        /// The connection is gone; what the last statement did is not known.
        package static let connectionLost = Code(rawValue: "connection-lost")
        /// The wait was over its bound and the socket was closed; what the last statement did is not known.
        package static let deadline = Code(rawValue: "deadline")
        /// The server refused the statement; see `sqlState`.
        package static let server = Code(rawValue: "server")
        /// The COMMIT was answered with a WARNING (a cancelled wait for a synchronous standby), or with a ROLLBACK: it
        /// must be taken as not done.
        package static let commitWithWarning = Code(rawValue: "commit-with-warning")
        /// The call does not fit the statement, as in a COPY that is none.
        package static let misuse = Code(rawValue: "misuse")
    }

    package let code: Code
    /// What was tried: `connect`, or the statement's beginning.
    package let operation: String
    /// Five characters (https://www.postgresql.org/docs/15/errcodes-appendix.html); nil when the server said nothing.
    package let sqlState: String?
    /// The primary message, safe to show.
    package let message: String
    /// The server's detail and hint; may quote data.
    package let detail: String?
    /// The constraint that was broken, for class 23.
    package let constraint: String?

    init(
        _ code: Code, _ operation: String, message: String, sqlState: String? = nil, detail: String? = nil,
        constraint: String? = nil
    ) {
        (self.code, self.operation, self.message) = (code, String(operation.prefix(200)), message)
        (self.sqlState, self.detail, self.constraint) = (sqlState, detail, constraint)
    }

    package var description: String { message + (sqlState.map { " (SQLSTATE \($0))" } ?? "") }
    package var debugDescription: String {
        "\(operation): \(description)" + (detail.map { "; \($0)" } ?? "")
    }

    private func isClass(_ classes: String...) -> Bool { classes.contains { sqlState?.hasPrefix($0) == true } }

    /// The connection cannot be used any more, or never could: make a new one, with back-off.
    package var isConnectionLost: Bool {
        [.cannotConnect, .connectionLost, .deadline].contains(code) || isClass("08", "57P")
    }
    /// Serialization failure or deadlock: the same transaction may succeed when run again.
    package var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }
    /// The data cannot be stored as they are (classes 22 and 23); a retry would fail again.
    package var isDataError: Bool { isClass("22", "23") }
    /// Whether the rows are to blame, and no retry can write them: beside data errors cardinality (class 21), a view's check
    /// (44), the limits of a value or a statement (54) and what a trigger raises (P0).
    package var blamesData: Bool { isDataError || isClass("21", "44", "54", "P0") }
    /// Nothing is wrong with the request: lost connection, serialization failure, resources (disk full, memory, locks,
    /// time-outs), a server in recovery, a COMMIT that must not be trusted.
    package var isRetriable: Bool {
        isConnectionLost || isSerializationFailure || code == .commitWithWarning || sqlState == "25006"
            || isClass("53", "55", "57", "58")
    }
}

/// What the server says beside the answer.
package struct PostgresNotice: Sendable, Hashable {
    /// Never translated: `WARNING`, `NOTICE`, `INFO`, `LOG`, `DEBUG`.
    package let severity: String
    package let sqlState: String
    package let message: String
}

/// A NOTIFY of another session.
package struct PostgresNotification: Sendable, Hashable {
    package let channel: String
    package let payload: String
}
