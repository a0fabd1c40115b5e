import CPostgres
import Glibc

extension PostgresConnection {
    /// Bytes handed to libpq at once; between two pieces the socket is drained, so that libpq's buffer stays small.
    private static let pieceBytes = 1 << 16
    /// Values of `copyOutIntegers` that are collected before they are handed on: they stay in the processor's cache.
    private static let pieceValues = 1 << 13

    /// A whole `COPY ... FROM STDIN (FORMAT binary)`; gives the number of rows.
    @discardableResult
    package func copyIn(_ sql: String, _ buffer: CopyBuffer) throws(PostgresError) -> Int {
        try startCopy(sql, expecting: PGRES_COPY_IN)
        try buffer.withBytes { (bytes) throws(PostgresError) in try put(bytes, sql) }
        return try endCopyIn(sql)
    }

    /// The same in pieces: the server works on what was sent while `fill` makes more, and the buffer stays small. `fill` puts
    /// rows and calls the closure it is given between them, after each few thousand: it sends what is there. An error of
    /// `fill` ends the COPY (and the transaction it stands in) and is thrown on.
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
            if !isBroken, PQputCopyEnd(handle, "given up by the client") >= 0 { _ = try? finish(sql) }
            throw error
        }
        try buffer.withBytes { (bytes) throws(PostgresError) in try put(bytes, sql) }
        return try endCopyIn(sql)
    }

    /// A whole `COPY ... FROM STDIN` in any format, from chunks of any size; nil ends it. An error of `nextChunk` ends the
    /// COPY (and the transaction it stands in) and is thrown on.
    @discardableResult
    package func copyInStream(_ sql: String, _ nextChunk: () throws -> [UInt8]?) throws -> Int {
        try startCopy(sql, expecting: PGRES_COPY_IN)
        do {
            while let chunk = try nextChunk() {
                try chunk.withUnsafeBytes { try put($0, sql) }
            }
        } catch {
            if !isBroken, PQputCopyEnd(handle, "given up by the client") >= 0 { _ = try? finish(sql) }
            throw error
        }
        return try endCopyIn(sql)
    }

    /// A whole `COPY ... TO STDOUT`: `body` gets one row a call in text format (line break included), and pieces
    /// of any size in binary. An error of `body` is thrown on once the rest has been read away.
    package func copyOut(_ sql: String, _ body: ([UInt8]) throws -> Void) throws {
        try receiveCopy(sql) { try body(Array($0)) }
    }

    /// A whole `COPY ... TO STDOUT (FORMAT binary)` of whole numbers, `columns` a row, none of them NULL: `body` gets the
    /// values of a few thousand rows a call, one row after the other, and how many bytes have come so far. An error of `body`
    /// is thrown on once the rest has been read away.
    package func copyOutIntegers(
        _ sql: String, columns: Int, _ body: (_ values: [Int64], _ bytes: Int64) throws -> Void
    ) throws {
        var rows = CopiedIntegers(columns: columns)
        var bytes: Int64 = 0
        try receiveCopy(sql) { piece in
            bytes += Int64(piece.count)
            try rows.take(piece, sql)
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
            ? error(result, sql) : PostgresError(.misuse, sql, message: "the statement is not the COPY it should be")
        if [PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(result.status) { giveUp() }
        while !isBroken, try nextResult(until: deadline, sql) != nil {}
        throw failure
    }

    /// An error that the server found on the way shows at the end.
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

    func pollReadable(timeoutMs: Int) -> Bool {
        var entry = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, Int32(clamping: timeoutMs)) > 0
    }
}
