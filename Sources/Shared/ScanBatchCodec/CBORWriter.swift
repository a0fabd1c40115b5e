import CCBOR

/// Appends CBOR in core deterministic encoding (RFC 8949 section 4.2.1). libcbor chooses the shortest head.
struct CBORWriter: ~Copyable {
    private(set) var bytes: [UInt8]

    init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    consuming func finish() -> [UInt8] { bytes }

    mutating func int(_ value: Int64) {
        // CBOR encodes a negative integer as -1 - n, its complement.
        if value >= 0 {
            head { cbor_encode_uint(UInt64(value), $0, $1) }
        } else {
            head { cbor_encode_negint(UInt64(~value), $0, $1) }
        }
    }

    /// Appends a number in the shortest of half, single and double precision that preserves it.
    mutating func double(_ value: Double) {
        if let half = Float16(exactly: value) {
            bytes.append(0xf9)
            withUnsafeBytes(of: half.bitPattern.bigEndian) { bytes.append(contentsOf: $0) }
        } else if let single = Float(exactly: value) {
            head { cbor_encode_single(single, $0, $1) }
        } else {
            head { cbor_encode_double(value, $0, $1) }
        }
    }

    mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            head { cbor_encode_string_start(utf8.count, $0, $1) }
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func byteString(_ value: [UInt8]) {
        head { cbor_encode_bytestring_start(value.count, $0, $1) }
        bytes.append(contentsOf: value)
    }

    mutating func array(_ count: Int) { head { cbor_encode_array_start(count, $0, $1) } }
    mutating func map(_ count: Int) { head { cbor_encode_map_start(count, $0, $1) } }

    /// Appends a column as a little-endian typed array (RFC 8746), in one copy.
    mutating func column<Element: FixedWidthInteger>(_ type: ColumnType, _ values: [Element]) {
        precondition(type.width == MemoryLayout<Element>.size)
        head { cbor_encode_tag(type.rawValue, $0, $1) }
        head { cbor_encode_bytestring_start(values.count * type.width, $0, $1) }
        #if _endian(little)
            values.withUnsafeBytes { bytes.append(contentsOf: $0) }
        #else
            values.map(\.littleEndian).withUnsafeBytes { bytes.append(contentsOf: $0) }
        #endif
    }

    private mutating func head(_ encode: (UnsafeMutablePointer<UInt8>, Int) -> Int) {
        // The longest head: one byte and a 64-bit number.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 9) { buffer in
            let count = encode(buffer.baseAddress!, buffer.count)
            precondition(count > 0)
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}

/// The typed arrays of RFC 8746 in a batch. Raw values are their tags.
enum ColumnType: UInt64 {
    case uint8 = 64
    case int32 = 78
    case int64 = 79

    /// Size of an element, in bytes.
    var width: Int {
        switch self {
        case .uint8: 1
        case .int32: 4
        case .int64: 8
        }
    }
}
