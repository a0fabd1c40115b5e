import ScanModel

extension ScanBatch {
    /// Maximum number of unknown keys, which a later version may add. Bounds the search for duplicate keys.
    static let unknownKeysLimit = 64
    /// Maximum number of stored entries of `state`. Excess entries, long texts, texts with a zero byte and values of
    /// other types are ignored: the state is informational and must not cause a rejection.
    static let stateEntriesLimit = 32
    /// Maximum number of entries of `state` in a body. Each one is compared with the others, so a body of 1 MiB with
    /// 175,000 of them would take much longer than its scans.
    static let stateKeysLimit = 1_024
    /// Maximum size of a key or text of `state`, in bytes.
    package static let stateTextLimitBytes = 256

    /// Decodes a body.
    ///
    /// Contract.md section 3 permits keys in any order and integers that are longer than necessary. Unknown text keys
    /// may have any definite value. Checks run in this order: oversized, malformed (structure), version,
    /// malformed (missing key, wrong type), length, range. A later version is therefore always reported as `version`.
    /// More than 10,000 scans are `range`; a column with an incomplete element is `length`.
    ///
    /// - Parameter body: the body of a message.
    /// - Throws: `BatchError`.
    package init(decoding body: UnsafeRawBufferPointer) throws(BatchError) {
        guard body.count <= ScanBatch.bodyLimitBytes else {
            throw BatchError(.oversized, "\(body.count) bytes, over \(ScanBatch.bodyLimitBytes)")
        }
        var decoder = BatchDecoder(body)
        try decoder.readMap()
        do throws(BatchError) { self = try decoder.batch() } catch {
            var error = error
            // Of the other reasons, the columns of the body may be wrong themselves.
            error.isHeartbeat = error.reason == .range && decoder.hasEmptyColumns
            throw error
        }
    }

    /// Decodes a body in an array.
    package init(decoding body: [UInt8]) throws(BatchError) {
        let result: Result<ScanBatch, BatchError> = body.withUnsafeBytes { bytes in
            do throws(BatchError) { return .success(try ScanBatch(decoding: bytes)) } catch { return .failure(error) }
        }
        self = try result.get()
    }
}

/// Reads the fields of one body, then validates them.
private struct BatchDecoder: ~Copyable {
    private enum Key: Int, CaseIterable {
        case v, scanner, log, first, after, base, at, tag, verdict, flags, gate, snapshot, sent, backlog, state, notes
        case elapsed

        static let optional: [Key] = [.after, .gate, .state, .notes, .elapsed]
        private static let names = allCases.map { "\($0)" }

        init?(_ name: String) {
            guard let index = Key.names.firstIndex(of: name) else { return nil }
            self.init(rawValue: index)
        }
        var name: String { Key.names[rawValue] }
    }

    /// Values by key. A dictionary would hash each key of each body several times.
    private struct Fields<Value> {
        private var values = [Value?](repeating: nil, count: Key.allCases.count)

        subscript(key: Key) -> Value? {
            get { values[key.rawValue] }
            set { values[key.rawValue] = newValue }
        }
    }

    /// Any CBOR integer.
    private enum Number {
        case uint(UInt64)
        case negative(UInt64)
    }

    private var reader: CBORReader
    private var seen = Fields<Bool>()
    private var unknown: [Range<Int>] = []
    /// The first wrong type, reported only for version 1.
    private var mistake: String?

    private var numbers = Fields<Number>()
    private var columns = Fields<Range<Int>>()
    private var scanner = ""
    private var journalID = JournalID(high: 0, low: 0)
    private var after: (journalID: JournalID, lastSeq: UInt64)?
    private var state: [String: ScanBatch.StateValue] = [:]
    private var stateIsInRange = true
    private var notes: [Int: String] = [:]

    init(_ body: UnsafeRawBufferPointer) { reader = CBORReader(body) }

    // MARK: Structure

    mutating func readMap() throws(BatchError) {
        guard case .map(let count) = try reader.next() else { throw BatchError(.malformed, "not a map") }
        for _ in 0..<count {
            guard case .text(let range) = try reader.next() else {
                throw BatchError(.malformed, "a key that is not text")
            }
            guard let key = Key(text(range)) else {
                try readUnknown(range)
                continue
            }
            guard seen[key] == nil else { throw BatchError(.malformed, "duplicate key \(key.name)") }
            seen[key] = true
            try readValue(of: key)
        }
        guard reader.isAtEnd else { throw BatchError(.malformed, "bytes after the map") }
    }

    private mutating func readUnknown(_ range: Range<Int>) throws(BatchError) {
        let bytes = reader.bytes(range)
        guard unknown.count < ScanBatch.unknownKeysLimit else {
            throw BatchError(.malformed, "more than \(ScanBatch.unknownKeysLimit) unknown keys")
        }
        for other in unknown where reader.bytes(other).elementsEqual(bytes) {
            throw BatchError(.malformed, "duplicate key")
        }
        unknown.append(range)
        try reader.skip(try reader.next())
    }

    private mutating func readValue(of key: Key) throws(BatchError) {
        let head = try reader.next()
        switch (key, head) {
        case (.scanner, .text(let range)): scanner = text(range)
        case (.log, .bytes(let range)):
            if let id = JournalID(reader.bytes(range)) { journalID = id } else { note("log is not 16 bytes") }
        case (.v, .uint(let value)), (.first, .uint(let value)), (.gate, .uint(let value)),
            (.snapshot, .uint(let value)), (.backlog, .uint(let value)), (.base, .uint(let value)),
            (.sent, .uint(let value)):
            numbers[key] = .uint(value)
        case (.base, .negative(let value)), (.sent, .negative(let value)): numbers[key] = .negative(value)
        case (.at, .tag(ColumnType.int32.rawValue)), (.tag, .tag(ColumnType.int64.rawValue)),
            (.verdict, .tag(ColumnType.uint8.rawValue)), (.flags, .tag(ColumnType.uint8.rawValue)),
            (.elapsed, .tag(ColumnType.int32.rawValue)):
            try readColumn(key)
        case (.after, .array(2)): try readAfter()
        case (.state, .map(let count)): try readState(count)
        case (.notes, .map(let count)): try readNotes(count)
        default:
            note("wrong type of \(key.name)")
            try reader.skip(head)
        }
    }

    private mutating func readColumn(_ key: Key) throws(BatchError) {
        let head = try reader.next()
        guard case .bytes(let range) = head else {
            note("wrong type of \(key.name)")
            return try reader.skip(head)
        }
        columns[key] = range
    }

    private mutating func readAfter() throws(BatchError) {
        let (first, second): (CBORHead, CBORHead)
        first = try reader.next()
        try reader.skip(first)
        second = try reader.next()
        try reader.skip(second)
        guard case .bytes(let range) = first, let journalID = JournalID(reader.bytes(range)),
            case .uint(let seq) = second
        else { return note("wrong type of after") }
        after = (journalID, seq)
    }

    private mutating func readState(_ count: UInt64) throws(BatchError) {
        guard count <= UInt64(ScanBatch.stateKeysLimit) else {
            throw BatchError(.malformed, "more than \(ScanBatch.stateKeysLimit) keys in state")
        }
        // Compared by bytes, because Swift considers canonically equivalent texts equal.
        var keys: Set<[UInt8]> = []
        for _ in 0..<count {
            guard case .text(let range) = try reader.next() else {
                throw BatchError(.malformed, "a key of state that is not text")
            }
            guard keys.insert(Array(reader.bytes(range))).inserted else {
                throw BatchError(.malformed, "duplicate key in state")
            }
            let head = try reader.next()
            try reader.skip(head)
            guard state.count < ScanBatch.stateEntriesLimit, isShort(range) else { continue }
            switch head {
            case .text(let value) where isShort(value): state[text(range)] = .text(text(value))
            case .uint(let value):
                if value < Bounds.uint { state[text(range)] = .int(Int64(value)) } else { stateIsInRange = false }
            case .negative(let value):
                if value < Bounds.uint { state[text(range)] = .int(~Int64(value)) } else { stateIsInRange = false }
            case .float(let value) where value.isFinite: state[text(range)] = .double(value)
            default: break
            }
        }
    }

    /// Reads the notes. Like the state they are informational: what exceeds a limit is left out.
    private mutating func readNotes(_ count: UInt64) throws(BatchError) {
        guard count <= UInt64(ScanBatch.scansLimit) else {
            throw BatchError(.malformed, "more than \(ScanBatch.scansLimit) notes")
        }
        var offsets: Set<UInt64> = []
        for _ in 0..<count {
            guard case .uint(let offset) = try reader.next() else {
                throw BatchError(.malformed, "a key of notes that is not an unsigned integer")
            }
            guard offsets.insert(offset).inserted else { throw BatchError(.malformed, "duplicate key in notes") }
            let head = try reader.next()
            try reader.skip(head)
            guard case .text(let range) = head, !range.isEmpty, isShort(range), offset < ScanBatch.scansLimit,
                notes.count < ScanBatch.notesLimit
            else { continue }
            notes[Int(offset)] = text(range)
        }
    }

    private func isShort(_ range: Range<Int>) -> Bool {
        range.count <= ScanBatch.stateTextLimitBytes && !reader.bytes(range).contains(0)
    }

    private func text(_ range: Range<Int>) -> String { String(decoding: reader.bytes(range), as: UTF8.self) }

    private mutating func note(_ text: String) { mistake = mistake ?? text }

    // MARK: Meaning

    var hasEmptyColumns: Bool {
        [Key.at, .tag, .verdict, .flags].allSatisfy { columns[$0]?.isEmpty == true }
    }

    func batch() throws(BatchError) -> ScanBatch {
        if case .uint(let version) = numbers[.v], version != 1 {
            throw BatchError(.version, "version \(version), not 1")
        }
        if let mistake { throw BatchError(.malformed, mistake) }
        for key in Key.allCases where seen[key] == nil && !Key.optional.contains(key) {
            throw BatchError(.malformed, "\(key.name) is missing")
        }
        let count = columns[.verdict]!.count
        for (key, width) in [(Key.at, 4), (.tag, 8), (.flags, 1)] where columns[key]!.count != count * width {
            throw BatchError(.length, "\(key.name) holds \(columns[key]!.count) bytes for \(count) verdicts")
        }
        if let elapsed = columns[.elapsed], elapsed.count != count * 4 {
            throw BatchError(.length, "elapsed holds \(elapsed.count) bytes for \(count) verdicts")
        }
        guard count <= ScanBatch.scansLimit else {
            throw BatchError(.range, "\(count) scans, over \(ScanBatch.scansLimit)")
        }
        let first = try uint(.first)
        guard first >= 1 else { throw BatchError(.range, "first is 0") }
        guard first + Int64(count) - 1 < Bounds.uint else { throw BatchError(.range, "seqs of 2^53 and more") }
        if let after, after.lastSeq >= Bounds.uint { throw BatchError(.range, "after is 2^53 or more") }
        guard stateIsInRange else { throw BatchError(.range, "a number in state is 2^53 or more") }
        let base = try int(.base)
        guard base % 1_000 == 0 else { throw BatchError(.range, "base is not whole milliseconds") }
        let sent = try int(.sent)
        guard sent >= 0, Bounds.timesMs.contains(sent / 1_000) else {
            throw BatchError(.range, "sent is outside 1970 to 2199")
        }
        let at = column(.at, of: Int32.self)
        // Only the minimum and the maximum of the column are checked. Neither sum can overflow.
        if let least = at.min(), let most = at.max() {
            guard Bounds.timesMs.contains(base / 1_000 + Int64(least)),
                Bounds.timesMs.contains(base / 1_000 + Int64(most))
            else { throw BatchError(.range, "a scan time is outside 1970 to 2199") }
        }
        return ScanBatch(
            scanner: scanner, journalID: journalID, first: first,
            after: after.map { ScanBatch.After(journalID: $0.journalID, lastSeq: Int64($0.lastSeq)) }, baseMicros: base,
            atMs: at,
            tags: column(.tag, of: Int64.self), verdicts: column(.verdict, of: UInt8.self),
            flags: column(.flags, of: UInt8.self), gate: seen[.gate] != nil ? try uint(.gate) : nil,
            snapshot: try uint(.snapshot), sentMicros: sent, backlog: try uint(.backlog), state: state,
            notes: notes.filter { $0.key < count },
            elapsedMs: seen[.elapsed] != nil ? column(.elapsed, of: Int32.self) : nil)
    }

    private func uint(_ key: Key) throws(BatchError) -> Int64 {
        guard case .uint(let value) = numbers[key], value < Bounds.uint else {
            throw BatchError(.range, "\(key.name) is 2^53 or more")
        }
        return Int64(value)
    }

    private func int(_ key: Key) throws(BatchError) -> Int64 {
        guard case .negative(let value) = numbers[key] else { return try uint(key) }
        guard value < Bounds.uint else { throw BatchError(.range, "\(key.name) is below -2^53") }
        return ~Int64(value)
    }

    /// Copies a column into one allocation of its actual size.
    private func column<Element: FixedWidthInteger>(_ key: Key, of type: Element.Type) -> [Element] {
        let source = reader.bytes(columns[key]!)
        return [Element](unsafeUninitializedCapacity: source.count / MemoryLayout<Element>.size) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            count = buffer.count
            #if _endian(big)
                for index in buffer.indices { buffer[index] = buffer[index].littleEndian }
            #endif
        }
    }
}
