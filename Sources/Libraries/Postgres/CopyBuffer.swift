/// Rows in PostgreSQL's binary COPY format, built without an allocation per row, for ingestion.
///
/// Call `beginRow` with the number of columns, then `put` once per column with exactly the type of the column: the
/// server converts nothing. `clear` keeps the memory for the next use. Confined to one thread.
package final class CopyBuffer {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private var count = 0
    private(set) var rowCount = 0

    // Signature, no flags, no header extension (https://www.postgresql.org/docs/15/sql-copy.html).
    private static let header: [UInt8] = [
        0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    private static let trailerBytes = 2

    /// Creates an empty buffer.
    ///
    /// - Parameter capacityBytes: initial size in bytes, at least 64. The buffer doubles when it is full.
    package init(capacityBytes: Int = 1 << 16) {
        capacity = max(capacityBytes, 64)
        storage = .allocate(byteCount: capacity, alignment: 16)
        clear()
    }

    deinit { storage.deallocate() }

    /// Size of the data to send, in bytes.
    package var byteCount: Int { count + Self.trailerBytes }

    /// Empties the buffer and keeps its memory.
    package func clear() {
        count = 0
        rowCount = 0
        append(Self.header)
    }

    /// Begins a row.
    ///
    /// - Parameter columns: the number of `put` calls that follow.
    package func beginRow(_ columns: Int) {
        reserve(2)
        store(Int16(columns))
        rowCount += 1
    }

    /// NULL, for a column of any type.
    package func putNull() {
        reserve(4)
        store(Int32(-1))
    }
    /// `smallint`.
    package func put(_ value: Int16) { putInteger(value) }
    /// `integer`.
    package func put(_ value: Int32) { putInteger(value) }
    /// `bigint`.
    package func put(_ value: Int64) { putInteger(value) }
    /// `bigint`, or NULL for `nil`.
    package func put(_ value: Int64?) {
        if let value { putInteger(value) } else { putNull() }
    }
    /// `boolean`.
    package func put(_ value: Bool) { putInteger(UInt8(value ? 1 : 0)) }

    /// `timestamptz`, in microseconds since 1970-01-01 UTC.
    package func put(timestamp microseconds: Int64) { putInteger(microseconds &- epochOffsetMicros) }

    /// `text`.
    package func put(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            reserve(4 + bytes.count)
            store(Int32(bytes.count))
            if let base = bytes.baseAddress {
                (storage + count).copyMemory(from: base, byteCount: bytes.count)
                count += bytes.count
            }
        }
    }
    /// `text`, or NULL for `nil`.
    package func put(_ text: String?) {
        if let text { put(text) } else { putNull() }
    }

    /// `bytea`.
    package func put(bytes: ArraySlice<UInt8>) {
        reserve(4 + bytes.count)
        store(Int32(bytes.count))
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { (storage + count).copyMemory(from: base, byteCount: source.count) }
        }
        count += bytes.count
    }

    /// `integer[]`.
    package func put(_ values: ArraySlice<Int32>) { putArray(values, TypeID.int4) }
    /// `bigint[]`.
    package func put(_ values: ArraySlice<Int64>) { putArray(values, TypeID.int8) }

    private func putArray<Integer: FixedWidthInteger>(_ values: ArraySlice<Integer>, _ type: UInt32) {
        let width = Integer.bitWidth / 8
        let bytes = TypeID.arrayHeaderBytes + values.count * (4 + width)
        reserve(4 + bytes)
        store(Int32(bytes))
        // Number of dimensions, no NULL, type of the elements, number of elements, first index.
        store(Int32(values.isEmpty ? 0 : 1))
        store(Int32(0))
        store(type)
        guard !values.isEmpty else {
            // An empty array ends after its type.
            (storage + count - 16).storeBytes(of: Int32(12).bigEndian, as: Int32.self)
            return
        }
        store(Int32(values.count))
        store(Int32(1))
        let length = Int32(width).bigEndian
        var target = storage + count
        values.withUnsafeBufferPointer { source in
            for value in source {
                target.storeBytes(of: length, as: Int32.self)
                (target + 4).storeBytes(of: value.bigEndian, as: Integer.self)
                target += 4 + width
            }
        }
        count += values.count * (4 + width)
    }

    private func putInteger<Integer: FixedWidthInteger>(_ value: Integer) {
        let width = Integer.bitWidth / 8
        reserve(4 + width)
        store(Int32(width))
        store(value)
    }

    @inline(__always)
    private func store<Integer: FixedWidthInteger>(_ value: Integer) {
        (storage + count).storeBytes(of: value.bigEndian, as: Integer.self)
        count += Integer.bitWidth / 8
    }

    private func append(_ bytes: [UInt8]) {
        reserve(bytes.count)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { (storage + count).copyMemory(from: base, byteCount: source.count) }
        }
        count += bytes.count
    }

    /// Ensures space for that many bytes and for the trailer.
    @inline(__always)
    private func reserve(_ bytes: Int) {
        if count + bytes + Self.trailerBytes > capacity { grow(bytes) }
    }

    private func grow(_ bytes: Int) {
        capacity = max(capacity * 2, count + bytes + Self.trailerBytes)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: storage, byteCount: count)
        storage.deallocate()
        storage = larger
    }

    /// Passes the bytes so far to `body` and removes them; more rows can follow.
    func takeBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        defer { count = 0 }
        return try body(UnsafeRawBufferPointer(start: storage, count: count))
    }

    /// Passes all bytes and the trailer to `body`. The buffer stays as it is, without the trailer.
    func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        (storage + count).storeBytes(of: Int16(-1).bigEndian, as: Int16.self)
        return try body(UnsafeRawBufferPointer(start: storage, count: byteCount))
    }
}
