import CPostgres

/// The answer to a statement. Rows and columns are numbered from 0; asking beyond them is a programmer's error.
///
/// The readers take both formats, text (the default) and binary; a reader that does not fit the column's type is a
/// programmer's error. NULL reads as 0, "", [] or false: ask `isNull`, or use the optional readers.
package final class PostgresResult {
    private let handle: OpaquePointer
    package let rowCount: Int
    package let columnCount: Int

    init(_ handle: OpaquePointer) {
        self.handle = handle
        rowCount = Int(PQntuples(handle))
        columnCount = Int(PQnfields(handle))
    }

    deinit { PQclear(handle) }

    /// Rows that the statement inserted, changed, deleted, copied or gave.
    package var affectedRows: Int { Int(String(cString: PQcmdTuples(handle))) ?? 0 }
    /// As in `INSERT 0 1`, `COMMIT`.
    package var commandTag: String { String(cString: PQcmdStatus(handle)) }
    package func columnName(_ column: Int) -> String { String(cString: PQfname(handle, Int32(column))) }

    package func isNull(_ row: Int, _ column: Int) -> Bool {
        precondition(
            row >= 0 && row < rowCount && column >= 0 && column < columnCount, "no such row or column in the result")
        return PQgetisnull(handle, Int32(row), Int32(column)) == 1
    }

    /// A value's bytes as they came; the pointer lives as long as this object.
    private func raw(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer {
        guard !isNull(row, column) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(handle, Int32(row), Int32(column)),
            count: Int(PQgetlength(handle, Int32(row), Int32(column))))
    }

    private func isBinary(_ column: Int) -> Bool { PQfformat(handle, Int32(column)) == 1 }

    /// `smallint`, `integer`, `bigint`, and in text format anything that reads as a whole number.
    package func int(_ row: Int, _ column: Int) -> Int64 {
        let bytes = raw(row, column)
        guard !bytes.isEmpty else { return 0 }
        if isBinary(column) {
            precondition([1, 2, 4, 8].contains(bytes.count), "column \(columnName(column)) is no whole number")
            let sign: Int64 = bytes[0] & 0x80 != 0 && bytes.count > 1 ? -1 : 0
            return bytes.reduce(sign) { $0 << 8 | Int64($1) }
        }
        // By hand: a String for each of millions of numbers would cost more than the query.
        var value: Int64 = 0
        let isNegative = bytes[0] == UInt8(ascii: "-")
        for byte in bytes.dropFirst(isNegative ? 1 : 0) {
            precondition(byte >= 48 && byte <= 57, "column \(columnName(column)) is no whole number")
            value = value &* 10 &- Int64(byte &- 48)
        }
        return isNegative ? value : 0 &- value
    }

    package func optionalInt(_ row: Int, _ column: Int) -> Int64? { isNull(row, column) ? nil : int(row, column) }

    /// In text format any type; in binary format text types only.
    package func text(_ row: Int, _ column: Int) -> String { String(decoding: raw(row, column), as: UTF8.self) }
    package func optionalText(_ row: Int, _ column: Int) -> String? { isNull(row, column) ? nil : text(row, column) }

    package func bool(_ row: Int, _ column: Int) -> Bool {
        guard let first = raw(row, column).first else { return false }
        return first == 1 || first == UInt8(ascii: "t")
    }

    /// `double precision`, and in text format anything that reads as a number.
    package func double(_ row: Int, _ column: Int) -> Double {
        let bytes = raw(row, column)
        if isBinary(column), bytes.count == 8 {
            return Double(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) })
        }
        return Double(text(row, column)) ?? 0
    }

    /// `bytea`; in binary format the bytes of any type.
    package func bytes(_ row: Int, _ column: Int) -> [UInt8] {
        let bytes = raw(row, column)
        if isBinary(column) { return Array(bytes) }
        precondition(
            bytes.isEmpty || (bytes.count % 2 == 0 && bytes[0] == UInt8(ascii: "\\") && bytes[1] == UInt8(ascii: "x")),
            "column \(columnName(column)) is no bytea")
        func digit(_ byte: UInt8) -> UInt8 { byte < 58 ? byte &- 48 : byte &- 87 }
        return stride(from: 2, to: bytes.count, by: 2).map { digit(bytes[$0]) << 4 | digit(bytes[$0 + 1]) }
    }

    package func uuid(_ row: Int, _ column: Int) -> PostgresUUID {
        let bytes = raw(row, column)
        if isBinary(column) {
            precondition(bytes.count == 16, "column \(columnName(column)) is no uuid")
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

    /// `timestamptz` as microseconds since 1970-01-01 UTC, in binary format only; in SQL for text results:
    /// `(extract(epoch from t) * 1000000)::bigint`.
    package func microseconds(_ row: Int, _ column: Int) -> Int64 {
        precondition(isBinary(column), "times are read in binary format: query(..., binary: true)")
        return int(row, column) &+ epochOffsetMicros
    }
    package func optionalMicroseconds(_ row: Int, _ column: Int) -> Int64? {
        isNull(row, column) ? nil : microseconds(row, column)
    }

    // MARK: For the connection

    var status: ExecStatusType { PQresultStatus(handle) }

    func field(_ code: Character) -> String? {
        PQresultErrorField(handle, Int32(code.asciiValue!)).map { String(cString: $0) }
    }
}
