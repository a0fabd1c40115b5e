/// The NDEF application of a tag (NFC Forum Type 4 Tag 1.2): SELECT and READ of the capability container and the NDEF
/// file.
package struct Type4Application: Sendable {
    /// How the tag answers.
    package enum Behavior: Sendable, Equatable {
        /// Answers according to the specification.
        case standard
        /// Has ISO-DEP but no NDEF application: every SELECT fails (6A82).
        case foreign
        /// Answers with noise, whose length and content derive from the seed.
        case noise(seed: UInt64)
    }

    /// Supplies a message for the first read of the NDEF file after each selection of the tag.
    private var message: NDEFSource
    private let behavior: Behavior
    private var content: [UInt8]?
    private var isSelected = false
    private var file: UInt16?
    private var noise: UInt64 = 0

    private static let name: [UInt8] = [0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01]
    private static let containerFile: UInt16 = 0xe103
    private static let ndefFile: UInt16 = 0xe104
    /// Size of the NDEF file of an NTAG 424 DNA, as in the capability container.
    private static let ndefFileBytes = 256
    /// The capability container of an NTAG 424 DNA: 256 bytes per read, the NDEF file, and a proprietary file.
    private static let container: [UInt8] = [
        0x00, 0x17, 0x20, 0x01, 0x00, 0x00, 0xff, 0x04, 0x06, 0xe1, 0x04, 0x01, 0x00, 0x00, 0x00, 0x05, 0x06, 0xe1,
        0x05, 0x00, 0x80, 0x82, 0x83,
    ]

    /// - Parameter message: the content of the NDEF file, without the two bytes of its length.
    package init(message: [UInt8], behavior: Behavior = .standard) {
        self.init(source: .fixed(message), behavior: behavior)
    }

    /// A tag with one URI record.
    package init(url: String) { self.init(message: NDEFSource.record(url: url)) }

    /// A tag that signs a new message at each read.
    package init(sun: SunChip) { self.init(source: .sun(sun)) }

    /// The signing chip; `nil` for a tag with a fixed message.
    var sun: SunChip? {
        if case .sun(let chip) = message { chip } else { nil }
    }

    init(source: NDEFSource, behavior: Behavior = .standard) {
        message = source
        self.behavior = behavior
        if case .noise(let seed) = behavior { noise = seed }
    }

    /// Starts a new session.
    mutating func reset() { (isSelected, file, content) = (false, nil, nil) }

    /// Returns the response data and the status word.
    mutating func respond(to command: [UInt8]) -> [UInt8] {
        switch behavior {
        case .noise: return noiseBytes()
        case .foreign: return [0x6a, 0x82]
        case .standard: break
        }
        guard command.count >= 4 else { return [0x67, 0x00] }
        guard command[0] == 0x00 else { return [0x6e, 0x00] }
        switch command[1] {
        case 0xa4: return select(command)
        case 0xb0: return read(command)
        default: return [0x6d, 0x00]
        }
    }

    private mutating func select(_ command: [UInt8]) -> [UInt8] {
        guard command.count >= 5, command.count >= 5 + Int(command[4]) else { return [0x67, 0x00] }
        let data = Array(command[5..<(5 + Int(command[4]))])
        switch (command[2], data) {
        case (0x04, Type4Application.name):
            (isSelected, file) = (true, nil)
            return [0x90, 0x00]
        case (0x00, _) where isSelected && data.count == 2:
            let wanted = UInt16(data[0]) << 8 | UInt16(data[1])
            guard [Type4Application.containerFile, Type4Application.ndefFile].contains(wanted) else {
                return [0x6a, 0x82]
            }
            file = wanted
            return [0x90, 0x00]
        default: return [0x6a, 0x82]
        }
    }

    private mutating func read(_ command: [UInt8]) -> [UInt8] {
        guard command.count == 5 else { return [0x67, 0x00] }
        guard let file else { return [0x69, 0x86] }
        let bytes = file == Type4Application.containerFile ? Type4Application.container : ndef()
        let offset = Int(command[2]) << 8 | Int(command[3])
        guard offset < bytes.count else { return [0x6b, 0x00] }
        let length = command[4] == 0 ? 256 : Int(command[4])
        return Array(bytes[offset...].prefix(length)) + [0x90, 0x00]
    }

    private mutating func ndef() -> [UInt8] {
        if let content { return content }
        let bytes = message.next()
        var file = [UInt8(bytes.count >> 8 & 0xff), UInt8(bytes.count & 0xff)] + bytes
        file += [UInt8](repeating: 0, count: max(0, Type4Application.ndefFileBytes - file.count))
        content = file
        return file
    }

    private mutating func noiseBytes() -> [UInt8] {
        (0..<Int(noiseByte() % 64)).map { _ in noiseByte() }
    }

    // xorshift64, which requires a state other than zero.
    private mutating func noiseByte() -> UInt8 {
        if noise == 0 { noise = 0x9e37_79b9_7f4a_7c15 }
        noise ^= noise << 13
        noise ^= noise >> 7
        noise ^= noise << 17
        return UInt8(truncatingIfNeeded: noise >> 24)
    }
}
