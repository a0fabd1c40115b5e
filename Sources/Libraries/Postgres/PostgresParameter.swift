/// A UUID as two halves in network order, so that an array of UUIDs is one allocation.
package struct PostgresUUID: Hashable, Sendable {
    /// The first 8 bytes, as a big-endian number.
    package let high: UInt64
    /// The last 8 bytes, as a big-endian number.
    package let low: UInt64
    /// Creates a UUID from its halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// A parameter of a statement. All but texts are sent in binary format with their type, so the SQL needs no cast: `$1`
/// of `.int64s` is a `bigint[]`. Integers are `smallint`, `integer` or `bigint` by their size. `.bytes` is `bytea`, and
/// `.double` is `double precision`.
///
/// Times are microseconds since 1970-01-01 UTC; their type is `timestamptz`.
package enum PostgresParameter: Sendable {
    case null
    /// A value in text format. The server infers its type: `text`, `numeric`, `jsonb`, `time` and so on.
    case text(String)
    case bool(Bool)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case bytes([UInt8])
    case uuid(PostgresUUID)
    case timestamp(Int64)
    case bools([Bool])
    case int16s([Int16])
    case int32s([Int32])
    case int64s([Int64])
    case optionalInt16s([Int16?])
    case optionalInt32s([Int32?])
    case optionalInt64s([Int64?])
    case texts([String])
    case optionalTexts([String?])
    case bytesArray([[UInt8]])
    case uuids([PostgresUUID])
    case timestamps([Int64])
    case optionalTimestamps([Int64?])

    /// A `bigint`, or NULL for `nil`.
    package static func optional(_ value: Int64?) -> PostgresParameter { value.map(PostgresParameter.int64) ?? .null }
    /// A value in text format, or NULL for `nil`.
    package static func optional(_ value: String?) -> PostgresParameter { value.map(PostgresParameter.text) ?? .null }
}

/// Object IDs of built-in types (pg_type.dat); they never change.
enum TypeID {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let float8: UInt32 = 701
    static let timestamptz: UInt32 = 1184
    static let uuid: UInt32 = 2950
    static let boolArray: UInt32 = 1000
    static let byteaArray: UInt32 = 1001
    static let int2Array: UInt32 = 1005
    static let int4Array: UInt32 = 1007
    static let textArray: UInt32 = 1009
    static let int8Array: UInt32 = 1016
    static let timestamptzArray: UInt32 = 1185
    static let uuidArray: UInt32 = 2951

    /// Size of the header of a one-dimensional array in binary format, in bytes.
    static let arrayHeaderBytes = 20
}

/// PostgreSQL's epoch, 2000-01-01, in microseconds since 1970-01-01: 10,957 days.
let epochOffsetMicros: Int64 = 946_684_800_000_000

extension [UInt8] {
    mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}

extension PostgresParameter {
    /// Type (0 lets the server infer it), bytes (`nil` is NULL), and whether the format is binary.
    var encoded: (type: UInt32, bytes: [UInt8]?, isBinary: Bool) {
        switch self {
        case .null: (0, nil, false)
        case .text(let text): (0, Array(text.utf8) + [0], false)
        case .bool(let value): (TypeID.bool, [value ? 1 : 0], true)
        case .int16(let value): (TypeID.int2, Self.bytes(value), true)
        case .int32(let value): (TypeID.int4, Self.bytes(value), true)
        case .int64(let value): (TypeID.int8, Self.bytes(value), true)
        case .double(let value): (TypeID.float8, Self.bytes(value.bitPattern), true)
        case .bytes(let bytes): (TypeID.bytea, bytes, true)
        case .uuid(let id): (TypeID.uuid, Self.bytes(id.high) + Self.bytes(id.low), true)
        case .timestamp(let time): (TypeID.timestamptz, Self.bytes(time &- epochOffsetMicros), true)
        case .bools(let values): Self.array(TypeID.boolArray, TypeID.bool, values) { $1.append($0 ? 1 : 0) }
        case .int16s(let values): Self.array(TypeID.int2Array, TypeID.int2, values) { $1.appendBigEndian($0) }
        case .int32s(let values): Self.array(TypeID.int4Array, TypeID.int4, values) { $1.appendBigEndian($0) }
        case .int64s(let values): Self.array(TypeID.int8Array, TypeID.int8, values) { $1.appendBigEndian($0) }
        case .optionalInt16s(let values): Self.array(TypeID.int2Array, TypeID.int2, values) { $1.appendBigEndian($0) }
        case .optionalInt32s(let values): Self.array(TypeID.int4Array, TypeID.int4, values) { $1.appendBigEndian($0) }
        case .optionalInt64s(let values): Self.array(TypeID.int8Array, TypeID.int8, values) { $1.appendBigEndian($0) }
        case .texts(let values):
            Self.array(TypeID.textArray, TypeID.text, values) { $1.append(contentsOf: $0.utf8) }
        case .optionalTexts(let values):
            Self.array(TypeID.textArray, TypeID.text, values) { $1.append(contentsOf: $0.utf8) }
        case .bytesArray(let values):
            Self.array(TypeID.byteaArray, TypeID.bytea, values) { $1.append(contentsOf: $0) }
        case .uuids(let values):
            Self.array(TypeID.uuidArray, TypeID.uuid, values) {
                $1.appendBigEndian($0.high)
                $1.appendBigEndian($0.low)
            }
        case .timestamps(let values):
            Self.array(TypeID.timestamptzArray, TypeID.timestamptz, values) {
                $1.appendBigEndian($0 &- epochOffsetMicros)
            }
        case .optionalTimestamps(let values):
            Self.array(TypeID.timestamptzArray, TypeID.timestamptz, values) {
                $1.appendBigEndian($0 &- epochOffsetMicros)
            }
        }
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// Encodes an array for `array_recv`: dimensions, has-null flag, element type, length, lower bound; then length and
    /// bytes of each element.
    private static func array<Element>(
        _ type: UInt32, _ elementType: UInt32, _ values: [Element?], _ put: (Element, inout [UInt8]) -> Void
    ) -> (type: UInt32, bytes: [UInt8]?, isBinary: Bool) {
        var out: [UInt8] = []
        out.reserveCapacity(20 + values.count * 12)
        out.appendBigEndian(Int32(values.isEmpty ? 0 : 1))
        out.appendBigEndian(Int32(1))
        out.appendBigEndian(elementType)
        guard !values.isEmpty else { return (type, out, true) }
        out.appendBigEndian(Int32(values.count))
        out.appendBigEndian(Int32(1))
        for value in values {
            let start = out.count
            out.appendBigEndian(Int32(-1))
            guard let value else { continue }
            put(value, &out)
            let length = UInt32(out.count - start - 4)
            for byte in 0..<4 { out[start + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * byte)) }
        }
        return (type, out, true)
    }
}
