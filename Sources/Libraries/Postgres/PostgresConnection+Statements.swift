import CPostgres

extension PostgresConnection {
    /// Runs one or several statements by the simple protocol; gives the last result.
    ///
    /// Several statements without BEGIN are one transaction.
    @discardableResult
    package func execute(_ sql: String) throws(PostgresError) -> PostgresResult {
        try start(sql) { PQsendQuery(handle, sql) }
        return try finish(sql)
    }

    /// Runs one statement with parameters `$1`, `$2` ...
    /// - Parameter binary: results in binary format, for hot paths and for `microseconds`; see `PostgresResult`.
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

    /// Prepares a statement under a name for this connection's life.
    /// - Parameter types: of the parameters, as many as need saying: the server infers what is left out, and
    ///   `queryPrepared` must send what fits.
    package func prepare(_ name: String, _ sql: String) throws(PostgresError) {
        try start(sql) { PQsendPrepare(handle, name, sql, 0, nil) }
        _ = try finish(sql)
    }

    @discardableResult
    package func queryPrepared(
        _ name: String, _ parameters: [PostgresParameter] = [], binary: Bool = false
    ) throws(PostgresError) -> PostgresResult {
        try withEncoded(parameters) { (_, values, lengths, formats) throws(PostgresError) in
            try start(name) {
                PQsendQueryPrepared(handle, name, Int32(parameters.count), values, lengths, formats, binary ? 1 : 0)
            }
        }
        return try finish(name)
    }

    // MARK: Transactions

    /// BEGIN, `body`, COMMIT; ROLLBACK when it throws (the first error is the one that is thrown).
    /// - Parameter mode: what follows BEGIN, as `ISOLATION LEVEL REPEATABLE READ READ ONLY`.
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

    /// COMMIT. Throws `commitWithWarning` when the server answered with a WARNING or rolled back instead; any
    /// error with `isConnectionLost` means that nobody knows whether it happened.
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

    /// ROLLBACK; what goes wrong with it shows in `isBroken`.
    package func rollback() {
        if !isBroken && isInTransaction { _ = try? execute("ROLLBACK") }
    }

    // MARK: Notifications

    package func listen(_ channel: String) throws(PostgresError) {
        try execute("LISTEN \(identifier(channel))")
    }

    /// Notifications that have arrived; waits at most `timeoutMs` for the first. Throws when the connection is lost.
    package func notifications(timeoutMs: Int = 0) throws(PostgresError) -> [PostgresNotification] {
        guard !isBroken else { throw lost("notifications") }
        var found = takeNotifications()
        if found.isEmpty {
            _ = pollReadable(timeoutMs: timeoutMs)
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

    /// Sends, reads all results, throws the first error, gives the last result.
    func finish(_ operation: String) throws(PostgresError) -> PostgresResult {
        let deadline = deadline()
        try flush(until: deadline, operation)
        var last: PostgresResult?
        var failure: PostgresError?
        while let result = try nextResult(until: deadline, operation) {
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = result
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // There is no way on but through the COPY calls.
                giveUp()
                throw PostgresError(.misuse, operation, message: "a COPY needs copyIn or copyOut")
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
        // One block for all values, and one byte more, so that an empty value has an address too.
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
