/// Reads the NDEF message of a Type 4 tag (NFC Forum Type 4 Tag 2.0).
///
/// A pure state machine that returns commands and takes their answers. Whatever the chip answers, it sends at most
/// `commandLimit` commands and accepts at most `messageLimitBytes`.
struct Type4Tag: Sendable {
    /// The next action of the caller.
    enum Action: Hashable, Sendable {
        /// Send this ISO 7816-4 command, and pass the answer with its status bytes to `answered`.
        case send([UInt8])
        /// The NDEF message. Empty if the file has none.
        case message([UInt8])
        /// The chip is no Type 4 tag with a supported message, so it is identified by its UID.
        case unsupported
    }

    /// Maximum size of a message. A secure message has about 130 bytes, the file of the chip 256.
    static let messageLimitBytes = 1_024
    /// Maximum number of bytes in one read. With two bytes of length and two of status they fit into one frame of any
    /// reader. One read returns a complete secure message.
    static let chunkBytes = 0xF0
    /// Maximum number of commands for one chip. Chips with small reads need the most.
    static let commandLimit = 96

    private enum Step: Hashable, Sendable {
        case application, capabilitiesFile, capabilities, file, first
        /// The length of the message, and the bytes read from the file, including those of the length.
        case rest(length: Int, read: [UInt8])
    }

    private var step = Step.application
    private var sent = 0
    private var fileID: [UInt8] = []
    private var fileBytes = 0
    private var chunk = 0

    /// Returns the first command.
    mutating func begin() -> Action {
        self = Type4Tag()
        return send([0x00, 0xA4, 0x04, 0x00, 0x07] + Type4Tag.application + [0x00])
    }

    /// Returns the action after the answer to the last command.
    mutating func answered(_ response: [UInt8]) -> Action {
        guard response.count >= 2, Array(response.suffix(2)) == Type4Tag.success else { return .unsupported }
        let data = Array(response.dropLast(2))
        switch step {
        case .application:
            step = .capabilitiesFile
            return select([0xE1, 0x03])
        case .capabilitiesFile:
            step = .capabilities
            return read(at: 0, count: Type4Tag.capabilityBytes)
        case .capabilities:
            guard take(capabilities: data) else { return .unsupported }
            step = .file
            return select(fileID)
        case .file:
            step = .first
            return read(at: 0, count: min(chunk, fileBytes))
        case .first:
            guard data.count >= 2, data.count <= chunk else { return .unsupported }
            let length = Int(data[0]) << 8 | Int(data[1])
            guard length <= Type4Tag.messageLimitBytes, length + 2 <= fileBytes else { return .unsupported }
            return next(length, data)
        case .rest(let length, let read):
            // An empty answer would lead to an endless loop.
            guard !data.isEmpty, data.count <= chunk else { return .unsupported }
            return next(length, read + data)
        }
    }

    private mutating func next(_ length: Int, _ read: [UInt8]) -> Action {
        let left = length + 2 - read.count
        guard left > 0 else { return .message(Array(read[2..<(2 + length)])) }
        step = .rest(length: length, read: read)
        return self.read(at: read.count, count: min(chunk, left))
    }

    /// Parses the capability container: mapping version 2 or 3, maximum answer, first NDEF file with free read access.
    private mutating func take(capabilities data: [UInt8]) -> Bool {
        guard data.count >= Type4Tag.capabilityBytes, [2, 3].contains(data[2] >> 4) else { return false }
        let answerBytes = Int(data[3]) << 8 | Int(data[4])
        // File control TLV: 04, length 6, file, maximum size, read access, write access.
        guard data[7] == 0x04, data[8] == 0x06, data[13] == 0x00 else { return false }
        fileID = Array(data[9...10])
        fileBytes = Int(data[11]) << 8 | Int(data[12])
        chunk = min(answerBytes, Type4Tag.chunkBytes)
        // The minimum values of the specification: answers of 15 bytes, a file of 5.
        return answerBytes >= 15 && fileBytes >= 5
    }

    private mutating func select(_ file: [UInt8]) -> Action { send([0x00, 0xA4, 0x00, 0x0C, 0x02] + file) }

    private mutating func read(at offset: Int, count: Int) -> Action {
        send([0x00, 0xB0, UInt8(offset >> 8), UInt8(offset & 0xFF), UInt8(count)])
    }

    private mutating func send(_ command: [UInt8]) -> Action {
        sent += 1
        return sent > Type4Tag.commandLimit ? .unsupported : .send(command)
    }

    /// D2760000850101, the NDEF application.
    private static let application: [UInt8] = [0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01]
    private static let success: [UInt8] = [0x90, 0x00]
    private static let capabilityBytes = 15
}
