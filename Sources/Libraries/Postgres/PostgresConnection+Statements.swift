import CPostgres
import LinuxSystem

extension PostgresConnection {
    /// Runs one or several statements with the simple protocol. Several statements without BEGIN are one transaction.
    ///
    /// - Parameter sql: the statements.
    /// - Returns: the result of the last statement, in text format.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func execute(_ sql: String) throws(PostgresError) -> PostgresResult {
        try start(sql) { PQsendQuery(handle, sql) }
        return try finish(sql)
    }

    /// Runs one statement.
    ///
    /// - Parameters:
    ///   - sql: the statement.
    ///   - parameters: the values of `$1`, `$2` and so on.
    ///   - binary: whether the result is in binary format, which is faster and which `microseconds` needs.
    /// - Returns: the result.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func query(
        _ sql: String, _ parameters: [PostgresParameter] = [], binary: Bool = false
    ) throws(PostgresError) -> PostgresResult {
        try withEncoded(parameters) { (types, values, lengths, formats) throws(PostgresError) in
            try start(sql) {
                PQsendQueryParams(
                    handle, sql, Int32(parameters.count), types, values, lengths, formats, binary ? 1 : 0)
            }
        }
        return try finish(sql)
    }

    // MARK: Transactions

    /// Runs `body` between BEGIN and COMMIT; on an error, runs ROLLBACK and rethrows it.
    ///
    /// - Parameters:
    ///   - mode: the transaction mode, for example `ISOLATION LEVEL REPEATABLE READ READ ONLY`.
    ///   - body: the statements of the transaction.
    /// - Returns: the result of `body`.
    /// - Throws: the error of `body`, or `PostgresError` of BEGIN or COMMIT.
    package func transaction<Result>(_ mode: String = "", _ body: () throws -> Result) throws -> Result {
        try execute("BEGIN \(mode)")
        let result: Result
        do { result = try body() } catch {
            rollback()
            throw error
        }
        try commit()
        return result
    }

    /// Commits the transaction.
    ///
    /// - Throws: `PostgresError` of code `commitWithWarning` if the server answered with a WARNING or with a ROLLBACK.
    ///   After an error with `isConnectionLost` the outcome is unknown.
    package func commit() throws(PostgresError) {
        let result = try execute("COMMIT")
        if let warning = lastNotices.first(where: { $0.severity == "WARNING" }) {
            throw PostgresError(
                .commitWithWarning, "COMMIT", message: warning.message, sqlState: warning.sqlState)
        }
        guard result.commandTag == "COMMIT" else {
            throw PostgresError(.commitWithWarning, "COMMIT", message: "the server answered \(result.commandTag)")
        }
    }

    /// Rolls back the transaction, if there is one. `isBroken` is `true` after a failure.
    package func rollback() {
        if !isBroken && isInTransaction { _ = try? execute("ROLLBACK") }
    }

    // MARK: Notifications

    /// Subscribes to the notifications of a channel.
    ///
    /// - Throws: `PostgresError`.
    package func listen(_ channel: String) throws(PostgresError) {
        try execute("LISTEN \(identifier(channel))")
    }

    /// Returns the notifications that have arrived.
    ///
    /// - Parameter timeoutMs: maximum wait for the first, in milliseconds.
    /// - Returns: the notifications in order; empty if none arrived in time.
    /// - Throws: `PostgresError` if the connection is lost.
    package func notifications(timeoutMs: Int = 0) throws(PostgresError) -> [PostgresNotification] {
        guard !isBroken else { throw lost("notifications") }
        var found = takeNotifications()
        if found.isEmpty {
            _ = Poll.wait([descriptor], timeoutMs: timeoutMs)
            guard PQconsumeInput(handle) == 1 else { throw lost("notifications") }
            found = takeNotifications()
        }
        return found
    }

    private func takeNotifications() -> [PostgresNotification] {
        var found: [PostgresNotification] = []
        while let notification = PQnotifies(handle) {
            found.append(
                PostgresNotification(
                    channel: String(cString: notification.pointee.relname),
                    payload: String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return found
    }

    // MARK: Parts

    func start(_ operation: String, _ send: () -> Int32) throws(PostgresError) {
        guard !isBroken else { throw lost(operation) }
        notices.clear()
        guard send() == 1 else {
            if isBroken { throw lost(operation) }
            throw PostgresError(.misuse, operation, message: String(cString: PQerrorMessage(handle)).trimmed)
        }
    }

    /// Flushes the request, reads all results, and returns the last result or throws the first error.
    func finish(_ operation: String) throws(PostgresError) -> PostgresResult {
        let deadline = deadline()
        try flush(until: deadline, operation)
        var last: PostgresResult?
        var failure: PostgresError?
        while let result = try nextResult(until: deadline, operation) {
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = result
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // Only the COPY calls could continue this connection.
                shutDown()
                throw PostgresError(.misuse, operation, message: "use copyIn or copyOut for a COPY")
            default: failure = failure ?? error(result, operation)
            }
        }
        if let failure { throw failure }
        guard let last else { throw lost(operation) }
        return last
    }

    private func withEncoded(
        _ parameters: [PostgresParameter],
        _ body: (
            UnsafePointer<Oid>?, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        let encoded = parameters.map(\.encoded)
        // One block for all values. An empty value takes one byte, because libpq reads a null pointer as NULL.
        let size = encoded.reduce(1) { $0 + max(1, $1.bytes?.count ?? 0) }
        let block = UnsafeMutablePointer<CChar>.allocate(capacity: size)
        defer { block.deallocate() }
        var values: [UnsafePointer<CChar>?] = []
        var offset = 0
        for entry in encoded {
            guard let bytes = entry.bytes else {
                values.append(nil)
                continue
            }
            values.append(UnsafePointer(block + offset))
            for byte in bytes {
                block[offset] = CChar(bitPattern: byte)
                offset += 1
            }
            if bytes.isEmpty { offset += 1 }
        }
        try body(
            encoded.map(\.type), values, encoded.map { Int32($0.bytes?.count ?? 0) },
            encoded.map { $0.isBinary ? 1 : 0 })
    }
}
