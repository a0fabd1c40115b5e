/// A frame that a PN532 receives (PN532 User Manual, UM0701-02, section 6.2.1).
enum PN532Frame: Equatable, Sendable {
    /// A command: its code and its data.
    case command(UInt8, [UInt8])
    /// An acknowledgement of the host, which aborts the command in progress.
    case acknowledge
    /// A negative acknowledgement of the host, which requests the last response again.
    case negativeAcknowledge
    /// A frame with an invalid data checksum or without a command.
    case foreign

    static let acknowledgement: [UInt8] = [0x00, 0x00, 0xff, 0x00, 0xff, 0x00]
    /// "Application level error": unknown command.
    static let applicationError: [UInt8] = [0x00, 0x00, 0xff, 0x01, 0xff, 0x7f, 0x81, 0x00]

    private static let fromHost: UInt8 = 0xd4
    private static let fromChip: UInt8 = 0xd5
    /// Maximum length of the data of a normal frame, including the frame identifier (TFI).
    private static let normalLimitBytes = 255

    /// The bytes of a response frame.
    static func response(_ command: UInt8, _ data: [UInt8]) -> [UInt8] {
        let body = [fromChip, command &+ 1] + data
        var frame: [UInt8] = [0x00, 0x00, 0xff]
        if body.count <= normalLimitBytes {
            frame += [UInt8(body.count), 0 &- UInt8(body.count)]
        } else {
            let (high, low) = (UInt8(body.count >> 8), UInt8(body.count & 0xff))
            frame += [0xff, 0xff, high, low, 0 &- (high &+ low)]
        }
        return frame + body + [0 &- body.reduce(0, &+), 0x00]
    }

    /// Removes the first complete frame from `bytes`, with the noise before it. A frame with an invalid length checksum
    /// counts as noise.
    ///
    /// - Returns: the frame, or `nil` if there is no complete one.
    static func next(_ bytes: inout [UInt8]) -> PN532Frame? {
        while true {
            guard let start = bytes.indices.dropLast().first(where: { bytes[$0] == 0x00 && bytes[$0 + 1] == 0xff })
            else {
                // The last byte may be the first of a start code.
                bytes.removeFirst(max(0, bytes.count - 1))
                return nil
            }
            let rest = bytes[(start + 2)...]
            guard rest.count >= 2 else { return nil }
            switch (rest[start + 2], rest[start + 3]) {
            case (0x00, 0xff):
                bytes.removeFirst(start + 4)
                return .acknowledge
            case (0xff, 0x00):
                bytes.removeFirst(start + 4)
                return .negativeAcknowledge
            case (0xff, 0xff):
                guard rest.count >= 5 else { return nil }
                let (high, low) = (rest[start + 4], rest[start + 5])
                guard high &+ low &+ rest[start + 6] == 0 else { break }
                guard let frame = body(&bytes, at: start + 7, count: Int(high) << 8 | Int(low)) else { return nil }
                return frame
            case (let count, let check) where count &+ check == 0:
                guard let frame = body(&bytes, at: start + 4, count: Int(count)) else { return nil }
                return frame
            default: break
            }
            bytes.removeFirst(start + 2)
        }
    }

    private static func body(_ bytes: inout [UInt8], at start: Int, count: Int) -> PN532Frame? {
        guard bytes.count >= start + count + 1 else { return nil }
        let body = bytes[start..<(start + count)]
        let isSound = body.reduce(bytes[start + count], &+) == 0
        defer { bytes.removeFirst(start + count + 1) }
        guard isSound, count >= 2, body.first == fromHost else { return .foreign }
        return .command(body[start + 1], Array(body.dropFirst(2)))
    }
}
