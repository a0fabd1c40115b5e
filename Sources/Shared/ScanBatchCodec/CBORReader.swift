import CCBOR

/// The head of a CBOR item. Strings are ranges of the body and are not copied.
enum CBORHead {
    case uint(UInt64)
    /// The value is -1 - n.
    case negative(UInt64)
    case bytes(Range<Int>)
    case text(Range<Int>)
    case array(UInt64)
    case map(UInt64)
    case tag(UInt64)
    case float(Double)
    /// false, true, null, undefined and unassigned values.
    case simple
    case indefinite
}

/// Reads the heads of a body one by one with libcbor's streaming decoder. Checks each declared length against the
/// actual bytes and allocates nothing.
struct CBORReader: ~Copyable {
    /// Maximum nesting of arrays, maps and tags; a scan batch has 2.
    static let depthLimit = 16

    private let body: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ body: UnsafeRawBufferPointer) { self.body = body }

    var isAtEnd: Bool { position == body.count }

    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: body[range]) }

    /// Reads the next head. Text is validated as UTF-8.
    ///
    /// - Throws: `BatchError` (malformed) for invalid, truncated and indefinite-length items.
    mutating func next() throws(BatchError) -> CBORHead {
        guard position < body.count else { throw BatchError(.malformed, "the body ends within an item") }
        if let head = try nextWithoutLibrary() { return head }
        let start = body.baseAddress! + position
        var context = Context(body: body.baseAddress!)
        let result = withUnsafeMutablePointer(to: &context) {
            cbor_stream_decode(
                start.assumingMemoryBound(to: UInt8.self), body.count - position, CBORReader.callbacks, $0)
        }
        switch result.status {
        case CBOR_DECODER_FINISHED: break
        case CBOR_DECODER_NEDATA: throw BatchError(.malformed, "the body ends within an item")
        default: throw BatchError(.malformed, "not CBOR at byte \(position)")
        }
        position += result.read
        switch context.head {
        case .indefinite: throw BatchError(.malformed, "an indefinite length, or a break")
        case .text(let range):
            guard CBORReader.isUTF8(bytes(range)) else { throw BatchError(.malformed, "text that is not UTF-8") }
        case .array(let count), .map(let count):
            // Each item has at least one byte.
            guard count <= UInt64(body.count - position) else {
                throw BatchError(.malformed, "the body ends within an item")
            }
        default: break
        }
        return context.head
    }

    /// Skips the rest of an item.
    mutating func skip(_ head: CBORHead, depth: Int = 0) throws(BatchError) {
        guard depth < CBORReader.depthLimit else {
            throw BatchError(.malformed, "items nested more than \(CBORReader.depthLimit) deep")
        }
        switch head {
        case .array(let count):
            for _ in 0..<count { try skip(try next(), depth: depth + 1) }
        case .map(let count):
            for _ in 0..<count {
                try skip(try next(), depth: depth + 1)
                try skip(try next(), depth: depth + 1)
            }
        case .tag(2), .tag(3):
            throw BatchError(.malformed, "a bignum")
        case .tag:
            try skip(try next(), depth: depth + 1)
        default: break
        }
    }

    /// Reads the one-byte tags 6 to 20 and unassigned simple values, which libcbor 0.8 rejects although they are
    /// well-formed. Keys of a later version may contain them.
    private mutating func nextWithoutLibrary() throws(BatchError) -> CBORHead? {
        switch body[position] {
        case 0xc6...0xd4:
            defer { position += 1 }
            return .tag(UInt64(body[position] & 0x1f))
        case 0xe0...0xf3:
            position += 1
            return .simple
        case 0xf8:
            guard position + 1 < body.count else { throw BatchError(.malformed, "the body ends within an item") }
            guard body[position + 1] >= 32 else { throw BatchError(.malformed, "not CBOR at byte \(position)") }
            position += 2
            return .simple
        default: return nil
        }
    }

    private static func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
    }

    private struct Context {
        let body: UnsafeRawPointer
        var head = CBORHead.simple

        func range(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Range<Int> {
            let offset = start.map { UnsafeRawPointer($0) - body } ?? 0
            return offset..<offset + count
        }
    }

    private static func report(_ context: UnsafeMutableRawPointer?, _ head: CBORHead) {
        context!.assumingMemoryBound(to: Context.self).pointee.head = head
    }

    private static func range(
        _ context: UnsafeMutableRawPointer?, _ start: UnsafePointer<UInt8>?, _ count: Int
    ) -> Range<Int> {
        context!.assumingMemoryBound(to: Context.self).pointee.range(start, count)
    }

    // Initialized once, then constant, never freed.
    nonisolated(unsafe) private static let callbacks: UnsafePointer<cbor_callbacks> = {
        var table = cbor_empty_callbacks
        table.uint8 = { report($0, .uint(UInt64($1))) }
        table.uint16 = { report($0, .uint(UInt64($1))) }
        table.uint32 = { report($0, .uint(UInt64($1))) }
        table.uint64 = { report($0, .uint($1)) }
        table.negint8 = { report($0, .negative(UInt64($1))) }
        table.negint16 = { report($0, .negative(UInt64($1))) }
        table.negint32 = { report($0, .negative(UInt64($1))) }
        table.negint64 = { report($0, .negative($1)) }
        table.byte_string = { report($0, .bytes(range($0, $1, $2))) }
        table.string = { report($0, .text(range($0, $1, $2))) }
        // A declared count of 2^63 or more is negative as an Int.
        table.array_start = { report($0, .array(UInt64(UInt(bitPattern: $1)))) }
        table.map_start = { report($0, .map(UInt64(UInt(bitPattern: $1)))) }
        table.tag = { report($0, .tag($1)) }
        table.float2 = { report($0, .float(Double($1))) }
        table.float4 = { report($0, .float(Double($1))) }
        table.float8 = { report($0, .float($1)) }
        table.byte_string_start = { report($0, .indefinite) }
        table.string_start = { report($0, .indefinite) }
        table.indef_array_start = { report($0, .indefinite) }
        table.indef_map_start = { report($0, .indefinite) }
        table.indef_break = { report($0, .indefinite) }
        let place = UnsafeMutablePointer<cbor_callbacks>.allocate(capacity: 1)
        place.initialize(to: table)
        return UnsafePointer(place)
    }()
}
