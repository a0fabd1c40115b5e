/// A CBOR encoder for valid and invalid items, independent of the encoder under test.
indirect enum CBORItem {
    case uint(UInt64)
    case negative(UInt64)
    /// A head with an eight-byte number for any value.
    case longUint(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBORItem])
    case map([(CBORItem, CBORItem)])
    case tagged(UInt64, CBORItem)
    case raw([UInt8])

    var encoded: [UInt8] {
        switch self {
        case .uint(let value): CBORItem.head(0, value)
        case .negative(let value): CBORItem.head(1, value)
        case .longUint(let value): [0x1b] + CBORItem.bigEndian(value, 8)
        case .bytes(let bytes): CBORItem.head(2, UInt64(bytes.count)) + bytes
        case .text(let text): CBORItem.head(3, UInt64(text.utf8.count)) + Array(text.utf8)
        case .array(let items): CBORItem.head(4, UInt64(items.count)) + items.flatMap(\.encoded)
        case .map(let pairs):
            CBORItem.head(5, UInt64(pairs.count)) + pairs.flatMap { $0.0.encoded + $0.1.encoded }
        case .tagged(let tag, let item): CBORItem.head(6, tag) + item.encoded
        case .raw(let bytes): bytes
        }
    }

    private static func head(_ major: UInt8, _ value: UInt64) -> [UInt8] {
        switch value {
        case 0..<24: [major << 5 | UInt8(value)]
        case 24..<0x100: [major << 5 | 24] + bigEndian(value, 1)
        case 0x100..<0x1_0000: [major << 5 | 25] + bigEndian(value, 2)
        case 0x1_0000..<0x1_0000_0000: [major << 5 | 26] + bigEndian(value, 4)
        default: [major << 5 | 27] + bigEndian(value, 8)
        }
    }

    private static func bigEndian(_ value: UInt64, _ width: Int) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    static func column(_ tag: UInt64, _ width: Int, _ values: [Int64]) -> CBORItem {
        .tagged(
            tag, .bytes(values.flatMap { value in (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }))
    }
}

/// The keys of a valid body with three scans, which tests change one by one.
struct Body {
    var pairs: [(String, CBORItem)] = [
        ("v", .uint(1)),
        ("scanner", .text("gate-7")),
        ("log", .bytes(Array(0..<16))),
        ("first", .uint(5)),
        ("base", .uint(1_795_468_021_123_000)),
        ("at", .column(78, 4, [0, 250, -3])),
        ("tag", .column(79, 8, [11, -12, 13])),
        ("verdict", .column(64, 1, [0, 3, 0])),
        ("flags", .column(64, 1, [0, 1, 0])),
        ("gate", .uint(7)),
        ("snapshot", .uint(1_795_400_000)),
        ("sent", .uint(1_795_468_031_999_999)),
        ("backlog", .uint(0)),
    ]

    subscript(key: String) -> CBORItem? {
        get { pairs.first { $0.0 == key }?.1 }
        set {
            pairs.removeAll { $0.0 == key }
            if let newValue { pairs.append((key, newValue)) }
        }
    }

    func with(_ key: String, _ item: CBORItem?) -> Body {
        var copy = self
        copy[key] = item
        return copy
    }

    var encoded: [UInt8] { CBORItem.map(pairs.map { (.text($0.0), $0.1) }).encoded }
}
