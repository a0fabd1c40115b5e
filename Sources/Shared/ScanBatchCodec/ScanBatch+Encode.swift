import ScanModel

extension ScanBatch {
    /// Encodes the batch. The encoding is deterministic: equal batches have equal bytes.
    ///
    /// Numbers out of the ranges of contract.md section 3 are encoded unchanged, and the center rejects them. State
    /// values that are not finite are omitted.
    ///
    /// - Parameter body: receives the bytes at its end.
    package func encode(into body: inout [UInt8]) {
        precondition(atMs.count == tags.count && tags.count == verdicts.count && verdicts.count == flags.count)
        precondition(elapsedMs == nil || elapsedMs?.count == count)
        body.reserveCapacity(body.count + 256 + (elapsedMs == nil ? 14 : 18) * count)
        var writer = CBORWriter(appendingTo: body)
        body = []
        let state = state.filter { if case .double(let value) = $0.value { value.isFinite } else { true } }
        let optionals = [after != nil, gate != nil, !state.isEmpty, !notes.isEmpty, elapsedMs != nil]
        writer.map(12 + optionals.count { $0 })
        // Keys in the order of their encoding: by length, then by bytes.
        writer.text("v")
        writer.int(1)
        writer.text("at")
        writer.column(.int32, atMs)
        writer.text("log")
        writer.byteString(journalID.bytes)
        writer.text("tag")
        writer.column(.int64, tags)
        writer.text("base")
        writer.int(baseMicros)
        if let gate {
            writer.text("gate")
            writer.int(gate)
        }
        writer.text("sent")
        writer.int(sentMicros)
        if let after {
            writer.text("after")
            writer.array(2)
            writer.byteString(after.journalID.bytes)
            writer.int(after.lastSeq)
        }
        writer.text("first")
        writer.int(first)
        writer.text("flags")
        writer.column(.uint8, flags)
        if !notes.isEmpty {
            writer.text("notes")
            writer.map(notes.count)
            for (offset, note) in notes.sorted(by: { $0.key < $1.key }) {
                writer.int(Int64(offset))
                writer.text(note)
            }
        }
        if !state.isEmpty {
            writer.text("state")
            ScanBatch.write(state, to: &writer)
        }
        writer.text("backlog")
        writer.int(backlog)
        if let elapsedMs {
            writer.text("elapsed")
            writer.column(.int32, elapsedMs)
        }
        writer.text("scanner")
        writer.text(scanner)
        writer.text("verdict")
        writer.column(.uint8, verdicts)
        writer.text("snapshot")
        writer.int(snapshot)
        body = writer.finish()
    }

    /// Returns the encoded batch.
    package func encoded() -> [UInt8] {
        var body: [UInt8] = []
        encode(into: &body)
        return body
    }

    private static func write(_ state: [String: StateValue], to writer: inout CBORWriter) {
        writer.map(state.count)
        let sorted = state.sorted { left, right in
            left.key.utf8.count != right.key.utf8.count
                ? left.key.utf8.count < right.key.utf8.count
                : left.key.utf8.lexicographicallyPrecedes(right.key.utf8)
        }
        for (key, value) in sorted {
            writer.text(key)
            switch value {
            case .text(let text): writer.text(text)
            case .int(let number): writer.int(number)
            case .double(let number): writer.double(number)
            }
        }
    }
}
