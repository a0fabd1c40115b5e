/// NDEF messages (NFC Forum Data Exchange Format 1.0): only as much as a secure message needs, a URI out of short or long records.
enum NDEF {
    /// Records looked at: a chip of ours has one.
    private static let recordLimit = 8

    /// The bytes of the first URI record without its abbreviation (`https://` and the like); nil when there is none, or when the
    /// records do not fit into the message.
    static func uri(_ message: [UInt8]) -> [UInt8]? {
        var rest = message[...]
        for _ in 0..<recordLimit {
            guard let record = Record(&rest) else { return nil }
            // Well-known type `U`; its first byte says which beginning was left out.
            if record.format == 1, record.type.elementsEqual([UInt8(ascii: "U")]) {
                return Array(record.payload.dropFirst())
            }
            if record.isLast { return nil }
        }
        return nil
    }

    private struct Record {
        let format: UInt8
        let isLast: Bool
        let type: ArraySlice<UInt8>
        let payload: ArraySlice<UInt8>

        /// Takes one record off the front; nil for one that is cut short or in chunks.
        init?(_ rest: inout ArraySlice<UInt8>) {
            guard let header = rest.popFirst(), header & 0x20 == 0, let typeLength = rest.popFirst() else { return nil }
            let lengthBytes = header & 0x10 != 0 ? 1 : 4
            guard rest.count >= lengthBytes else { return nil }
            let payloadLength = rest.prefix(lengthBytes).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(lengthBytes)
            var idLength = 0
            if header & 0x08 != 0 {
                guard let length = rest.popFirst() else { return nil }
                idLength = Int(length)
            }
            guard rest.count >= Int(typeLength) + idLength + payloadLength else { return nil }
            format = header & 0x07
            isLast = header & 0x40 != 0
            type = rest.prefix(Int(typeLength))
            payload = rest.dropFirst(Int(typeLength) + idLength).prefix(payloadLength)
            rest = rest.dropFirst(Int(typeLength) + idLength + payloadLength)
        }
    }
}
