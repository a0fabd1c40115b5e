import CPostgres

extension PostgresConnection {
    /// Bytes per call into libpq. Between two pieces the buffer is flushed, so that it stays small.
    private static let pieceBytes = 1 << 16
    /// Minimum number of values per call of the body of `copyOutIntegers`. They fit the processor's cache.
    private static let pieceValues = 1 << 13

    /// Runs `COPY ... FROM STDIN (FORMAT binary)`.
    ///
    /// - Parameters:
    ///   - sql: the statement.
    ///   - buffer: the rows.
    /// - Returns: the number of stored rows.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func copyIn(_ sql: String, _ buffer: CopyBuffer) throws(PostgresError) -> Int {
        try startCopy(sql, expecting: PGRES_COPY_IN)
        try buffer.withBytes { (bytes) throws(PostgresError) in try put(bytes, sql) }
        return try endCopyIn(sql)
    }

    /// Runs `COPY ... FROM STDIN (FORMAT binary)` in pieces: the server stores rows while `fill` produces more.
    ///
    /// - Parameters:
    ///   - sql: the statement.
    ///   - buffer: the buffer for the rows; cleared first.
    ///   - fill: puts rows into the buffer and calls `send` after every few thousand rows. Its error ends the COPY,
    ///     fails the transaction and is rethrown.
    /// - Returns: the number of stored rows.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func copyIn(
        _ sql: String, _ buffer: CopyBuffer,
        fill: (_ send: () throws(PostgresError) -> Void) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Int {
        buffer.clear()
        try startCopy(sql, expecting: PGRES_COPY_IN)
        do throws(PostgresError) {
            try fill { () throws(PostgresError) in
                guard buffer.byteCount >= Self.pieceBytes else { return }
                try buffer.takeBytes { (bytes) throws(PostgresError) in try put(bytes, sql) }
            }
        } catch {
            if !isBroken, PQputCopyEnd(handle, "cancelled by the client") >= 0 { _ = try? finish(sql) }
            throw error
        }
        try buffer.withBytes { (bytes) throws(PostgresError) in try put(bytes, sql) }
        return try endCopyIn(sql)
    }

    /// Runs `COPY ... TO STDOUT`.
    ///
    /// - Parameters:
    ///   - sql: the statement.
    ///   - body: called with one row with its line break in text format, and with pieces of any size in binary format.
    ///     Its error is rethrown after the remaining rows have been read.
    /// - Throws: `PostgresError`, or the error of `body`.
    package func copyOut(_ sql: String, _ body: ([UInt8]) throws -> Void) throws {
        try receiveCopy(sql) { try body(Array($0)) }
    }

    /// Runs `COPY ... TO STDOUT (FORMAT binary)` for integer columns that are not NULL.
    ///
    /// - Parameters:
    ///   - sql: the statement.
    ///   - columns: number of columns.
    ///   - body: called with values, row after row, and with the number of bytes received so far. Each call has the
    ///     values of at least 8,192 / `columns` rows. The last call may have fewer rows. Its error is rethrown after
    ///     the remaining rows have been read.
    /// - Throws: `PostgresError`, or the error of `body`.
    package func copyOutIntegers(
        _ sql: String, columns: Int, _ body: (_ values: [Int64], _ bytes: Int64) throws -> Void
    ) throws {
        var rows = CopiedIntegers(columns: columns)
        var bytes: Int64 = 0
        try receiveCopy(sql) { piece in
            bytes += Int64(piece.count)
            try rows.append(piece, sql)
            guard rows.values.count >= Self.pieceValues else { return }
            try body(rows.values, bytes)
            rows.values.removeAll(keepingCapacity: true)
        }
        try rows.checkEnd(sql)
        if !rows.values.isEmpty { try body(rows.values, bytes) }
    }

    private func receiveCopy(_ sql: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try startCopy(sql, expecting: PGRES_COPY_OUT)
        var failure: (any Error)?
        while true {
            var row: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(handle, &row, 1)
            if count > 0, let row {
                defer { PQfreemem(row) }
                guard failure == nil else { continue }
                do { try body(UnsafeRawBufferPointer(start: row, count: Int(count))) } catch { failure = error }
            } else if count == 0 {
                try wait(writing: false, until: deadline(), sql)
            } else {
                break
            }
        }
        _ = try finish(sql)
        if let failure { throw failure }
    }

    private func startCopy(_ sql: String, expecting status: ExecStatusType) throws(PostgresError) {
        try start(sql) { PQsendQuery(handle, sql) }
        let deadline = deadline()
        try flush(until: deadline, sql)
        guard let result = try nextResult(until: deadline, sql) else { throw lost(sql) }
        if result.status == status { return }
        let failure =
            result.status == PGRES_FATAL_ERROR
            ? error(result, sql) : PostgresError(.misuse, sql, message: "the statement is not a COPY in this direction")
        if [PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(result.status) { shutDown() }
        while !isBroken, try nextResult(until: deadline, sql) != nil {}
        throw failure
    }

    /// Sends bytes. An error of the server is thrown by `endCopyIn`.
    private func put(_ bytes: UnsafeRawBufferPointer, _ sql: String) throws(PostgresError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceBytes))
            switch PQputCopyData(handle, piece.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(piece.count)) {
            case 1:
                rest = rest.dropFirst(piece.count)
                try flush(until: deadline(), sql)
            case 0: try wait(writing: true, until: deadline(), sql)
            default: throw lost(sql)
            }
        }
    }

    private func endCopyIn(_ sql: String) throws(PostgresError) -> Int {
        while true {
            switch PQputCopyEnd(handle, nil) {
            case 1: return try finish(sql).affectedRows
            case 0: try wait(writing: true, until: deadline(), sql)
            default: throw lost(sql)
            }
        }
    }
}
