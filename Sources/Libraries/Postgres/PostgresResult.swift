import CPostgres

/// The result of a statement. Rows and columns are numbered from 0; other indices are a precondition failure.
///
/// The readers accept both formats, text and binary. A reader must fit the type of the column (precondition). NULL
/// reads as 0, "", [] or `false`: use `isNull` or the optional readers to detect it.
package final class PostgresResult {
    private let handle: OpaquePointer
    /// Number of rows; 0 for a statement without a result.
    package let rowCount: Int
    /// Number of columns; 0 for a statement without a result.
    package let columnCount: Int

    init(_ handle: OpaquePointer) {
        self.handle = handle
        rowCount = Int(PQntuples(handle))
        columnCount = Int(PQnfields(handle))
    }

    deinit { PQclear(handle) }

    /// Number of rows that the statement inserted, changed, deleted, copied or returned.
    package var affectedRows: Int { Int(String(cString: PQcmdTuples(handle))) ?? 0 }
    /// For example `INSERT 0 1` or `COMMIT`.
    package var commandTag: String { String(cString: PQcmdStatus(handle)) }
    /// Returns the name of a column.
    package func columnName(_ column: Int) -> String { String(cString: PQfname(handle, Int32(column))) }

    /// Returns whether a value is NULL.
    package func isNull(_ row: Int, _ column: Int) -> Bool {
        precondition(
            row >= 0 && row < rowCount && column >= 0 && column < columnCount, "no such row or column in the result")
        return PQgetisnull(handle, Int32(row), Int32(column)) == 1
    }

    /// The bytes of a value. The pointer is valid as long as this object: each caller keeps it alive.
    private func raw(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer {
        guard !isNull(row, column) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(handle, Int32(row), Int32(column)),
            count: Int(PQgetlength(handle, Int32(row), Int32(column))))
    }

    private func isBinary(_ column: Int) -> Bool { PQfformat(handle, Int32(column)) == 1 }

    /// Reads `smallint`, `integer` or `bigint`; in text format, any type whose text is an integer.
    package func int(_ row: Int, _ column: Int) -> Int64 {
        defer { withExtendedLifetime(self) {} }
        let bytes = raw(row, column)
        guard !bytes.isEmpty else { return 0 }
        if isBinary(column) {
            precondition([1, 2, 4, 8].contains(bytes.count), "column \(columnName(column)) is not an integer")
            let sign: Int64 = bytes[0] & 0x80 != 0 && bytes.count > 1 ? -1 : 0
            return bytes.reduce(sign) { $0 << 8 | Int64($1) }
        }
        // Parsed without a String, which would cost more than the query for millions of numbers.
        var value: Int64 = 0
        let isNegative = bytes[0] == UInt8(ascii: "-")
        for byte in bytes.dropFirst(isNegative ? 1 : 0) {
            precondition(byte >= 48 && byte <= 57, "column \(columnName(column)) is not an integer")
            value = value &* 10 &- Int64(byte &- 48)
        }
        return isNegative ? value : 0 &- value
    }

    /// Reads an integer like `int`; `nil` for NULL.
    package func optionalInt(_ row: Int, _ column: Int) -> Int64? { isNull(row, column) ? nil : int(row, column) }

    /// Reads any type in text format, and text types in binary format.
    package func text(_ row: Int, _ column: Int) -> String {
        withExtendedLifetime(self) { String(decoding: raw(row, column), as: UTF8.self) }
    }
    /// Reads a text like `text`; `nil` for NULL.
    package func optionalText(_ row: Int, _ column: Int) -> String? { isNull(row, column) ? nil : text(row, column) }

    /// Reads `boolean` in either format.
    package func bool(_ row: Int, _ column: Int) -> Bool {
        defer { withExtendedLifetime(self) {} }
        guard let first = raw(row, column).first else { return false }
        return first == 1 || first == UInt8(ascii: "t")
    }

    /// Reads `double precision`; in text format, any type whose text is a number.
    package func double(_ row: Int, _ column: Int) -> Double {
        defer { withExtendedLifetime(self) {} }
        let bytes = raw(row, column)
        if isBinary(column), bytes.count == 8 {
            return Double(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) })
        }
        return Double(text(row, column)) ?? 0
    }

    /// Reads `bytea`; in binary format, the bytes of any type.
    package func bytes(_ row: Int, _ column: Int) -> [UInt8] {
        defer { withExtendedLifetime(self) {} }
        let bytes = raw(row, column)
        if isBinary(column) { return Array(bytes) }
        precondition(
            bytes.isEmpty || (bytes.count % 2 == 0 && bytes[0] == UInt8(ascii: "\\") && bytes[1] == UInt8(ascii: "x")),
            "column \(columnName(column)) is not bytea")
        func digit(_ byte: UInt8) -> UInt8 { byte < 58 ? byte &- 48 : byte &- 87 }
        return stride(from: 2, to: bytes.count, by: 2).map { digit(bytes[$0]) << 4 | digit(bytes[$0 + 1]) }
    }

    /// Reads `integer[]` in binary format: one dimension, no NULL elements (precondition).
    package func int32s(_ row: Int, _ column: Int) -> [Int32] { integers(row, column) }
    /// Reads `bigint[]` in binary format: one dimension, no NULL elements (precondition).
    package func int64s(_ row: Int, _ column: Int) -> [Int64] { integers(row, column) }

    private func integers<Integer: FixedWidthInteger>(_ row: Int, _ column: Int) -> [Integer] {
        defer { withExtendedLifetime(self) {} }
        let bytes = raw(row, column)
        guard bytes.count >= TypeID.arrayHeaderBytes else { return [] }
        func word(_ offset: Int) -> Int {
            Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        let (count, width) = (word(12), Integer.bitWidth / 8)
        precondition(
            isBinary(column) && word(0) == 1 && word(4) == 0
                && bytes.count == TypeID.arrayHeaderBytes + count * (4 + width),
            "column \(columnName(column)) is not an array of \(width)-byte integers")
        return [Integer](unsafeUninitializedCapacity: count) { values, initialized in
            var offset = TypeID.arrayHeaderBytes + 4
            for index in 0..<count {
                values.initializeElement(
                    at: index, to: Integer(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self)))
                offset += 4 + width
            }
            initialized = count
        }
    }

    /// Reads `uuid` in either format. NULL fails in binary format (precondition) and is 0 in text format.
    package func uuid(_ row: Int, _ column: Int) -> PostgresUUID {
        defer { withExtendedLifetime(self) {} }
        let bytes = raw(row, column)
        if isBinary(column) {
            precondition(bytes.count == 16, "column \(columnName(column)) is not uuid")
            return PostgresUUID(
                high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
        }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for byte in bytes where byte != UInt8(ascii: "-") {
            let value = UInt64(byte < 58 ? byte &- 48 : byte &- 87)
            if digits < 16 { words.0 = words.0 << 4 | value } else { words.1 = words.1 << 4 | value }
            digits += 1
        }
        return PostgresUUID(high: words.0, low: words.1)
    }

    /// Reads `timestamptz` in binary format, as microseconds since 1970-01-01 UTC. For text format, convert in SQL:
    /// `(extract(epoch from t) * 1000000)::bigint`.
    package func microseconds(_ row: Int, _ column: Int) -> Int64 {
        precondition(isBinary(column), "read times in binary format: query(..., binary: true)")
        return int(row, column) &+ epochOffsetMicros
    }
    /// Reads a time like `microseconds`; `nil` for NULL.
    package func optionalMicroseconds(_ row: Int, _ column: Int) -> Int64? {
        isNull(row, column) ? nil : microseconds(row, column)
    }

    // MARK: For the connection

    var status: ExecStatusType { PQresultStatus(handle) }

    func field(_ code: Character) -> String? {
        PQresultErrorField(handle, Int32(code.asciiValue!)).map { String(cString: $0) }
    }
}
