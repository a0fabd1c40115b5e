/// Reads the URI of an NDEF message (NFC Forum Data Exchange Format 1.0), from short or long records.
enum NDEF {
    /// Maximum number of records that are read. A chip with a secure message has one.
    private static let recordLimit = 8

    /// Returns the first URI without its abbreviated prefix such as `https://`.
    ///
    /// - Returns: `nil` if there is no URI record, or if the records exceed the message.
    static func uri(_ message: [UInt8]) -> [UInt8]? {
        var rest = message[...]
        for _ in 0..<recordLimit {
            guard let record = Record(&rest) else { return nil }
            // Well-known type `U`. The first byte stands for the abbreviated prefix.
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

        /// Removes the first record. Returns `nil` for an incomplete or chunked record.
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
