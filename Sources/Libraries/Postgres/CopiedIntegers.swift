/// Parser of PostgreSQL's binary COPY format for rows of integers that are not NULL.
struct CopiedIntegers {
    /// The parsed values, row after row; the owner removes them.
    var values: [Int64] = []
    private let columns: Int
    /// The bytes of an incomplete row or header.
    private var rest: [UInt8] = []
    private var isInside = false
    private var isEnded = false

    /// Signature, flags, length of the header's extension (https://www.postgresql.org/docs/15/sql-copy.html).
    private static let headerBytes = 19

    init(columns: Int) { self.columns = columns }

    /// Parses the next bytes.
    ///
    /// - Parameters:
    ///   - piece: the bytes; may begin and end anywhere.
    ///   - operation: the statement, for the error.
    /// - Throws: `PostgresError` (misuse) for NULL and for columns that are not integers.
    mutating func append(_ piece: UnsafeRawBufferPointer, _ operation: String) throws {
        if rest.isEmpty {
            // The usual case: the server sends complete rows.
            let used = try parse(piece, operation)
            if used < piece.count { rest = Array(piece[used...]) }
            return
        }
        var bytes = rest + Array(piece)
        let used = try bytes.withUnsafeBytes { try parse($0, operation) }
        bytes.removeFirst(used)
        rest = bytes
    }

    /// Throws unless the data has ended; call after the last piece.
    func checkEnd(_ operation: String) throws(PostgresError) {
        guard isEnded, rest.isEmpty else {
            throw PostgresError(.misuse, operation, message: "the COPY ended in the middle of a row")
        }
    }

    /// Parses all complete rows and returns their size in bytes.
    private mutating func parse(_ bytes: UnsafeRawBufferPointer, _ operation: String) throws(PostgresError) -> Int {
        var at = 0
        if !isInside {
            guard bytes.count >= CopiedIntegers.headerBytes else { return 0 }
            let extra = Int(bytes.loadUnaligned(fromByteOffset: 15, as: UInt32.self).bigEndian)
            guard bytes.count >= CopiedIntegers.headerBytes + extra else { return 0 }
            at = CopiedIntegers.headerBytes + extra
            isInside = true
        }
        while bytes.count >= at + 2, !isEnded {
            let count = bytes.loadUnaligned(fromByteOffset: at, as: Int16.self).bigEndian
            if count == -1 {
                isEnded = true
                return at + 2
            }
            guard Int(count) == columns else {
                throw PostgresError(.misuse, operation, message: "a row of \(count) columns instead of \(columns)")
            }
            guard let end = try row(bytes, from: at + 2, operation) else { return at }
            at = end
        }
        return at
    }

    /// Parses one row and returns the position after it; `nil` if it is incomplete.
    private mutating func row(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ operation: String
    ) throws(PostgresError) -> Int? {
        var at = start
        for column in 0..<columns {
            guard bytes.count >= at + 4 else { return undo(column) }
            let width = Int(bytes.loadUnaligned(fromByteOffset: at, as: Int32.self).bigEndian)
            at += 4
            guard [8, 4, 2].contains(width) else {
                throw PostgresError(.misuse, operation, message: "column \(column + 1) is NULL or not an integer")
            }
            guard bytes.count >= at + width else { return undo(column) }
            switch width {
            case 8: values.append(bytes.loadUnaligned(fromByteOffset: at, as: Int64.self).bigEndian)
            case 4: values.append(Int64(bytes.loadUnaligned(fromByteOffset: at, as: Int32.self).bigEndian))
            default: values.append(Int64(bytes.loadUnaligned(fromByteOffset: at, as: Int16.self).bigEndian))
            }
            at += width
        }
        return at
    }

    private mutating func undo(_ values: Int) -> Int? {
        self.values.removeLast(values)
        return nil
    }
}
