import TestSupport
import Testing

@testable import Readers

struct Type4TagTests {
    /// A standard chip. The key of a file is its ID.
    private struct Chip {
        var files: [[UInt8]: [UInt8]]
        /// Maximum size of an answer.
        var answerBytes = 256
        private var selected: [UInt8]?
        private(set) var commands = 0

        init(message: [UInt8], fileBytes: Int = 256, answerBytes: Int = 256) {
            let length = [UInt8(message.count >> 8), UInt8(message.count & 0xFF)]
            let file = length + message + [UInt8](repeating: 0, count: max(0, fileBytes - message.count - 2))
            files = [[0xE1, 0x03]: Chip.capabilities(fileBytes, answerBytes), [0xE1, 0x04]: file]
            self.answerBytes = answerBytes
        }

        static func capabilities(_ fileBytes: Int, _ answerBytes: Int) -> [UInt8] {
            [0x00, 0x17, 0x20, UInt8(answerBytes >> 8), UInt8(answerBytes & 0xFF), 0x00, 0xFF]
                + [0x04, 0x06, 0xE1, 0x04, UInt8(fileBytes >> 8), UInt8(fileBytes & 0xFF), 0x00, 0x00]
        }

        mutating func answer(_ command: [UInt8]) -> [UInt8] {
            commands += 1
            if command == [0x00, 0xA4, 0x04, 0x00, 0x07, 0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00] {
                return [0x90, 0x00]
            }
            if command.count == 7, command.starts(with: [0x00, 0xA4, 0x00, 0x0C, 0x02]) {
                selected = Array(command.suffix(2))
                return files[selected!] == nil ? [0x6A, 0x82] : [0x90, 0x00]
            }
            guard command.count == 5, command.starts(with: [0x00, 0xB0]), let file = selected.flatMap({ files[$0] })
            else { return [0x6D, 0x00] }
            let offset = Int(command[2]) << 8 | Int(command[3])
            guard offset + Int(command[4]) <= file.count else { return [0x6C, 0x00] }
            return Array(file[offset...].prefix(min(Int(command[4]), answerBytes))) + [0x90, 0x00]
        }
    }

    private static func read(_ chip: inout Chip) -> Type4Tag.Action {
        var tag = Type4Tag()
        var action = tag.begin()
        while case .send(let command) = action { action = tag.answered(chip.answer(command)) }
        return action
    }

    @Test(arguments: [0, 1, 13, 14, 237, 238, 239, 254])
    func messagesOfAllLengthsAreRead(count: Int) {
        let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for answerBytes in [15, 16, 59, 256] {
            var chip = Chip(message: message, answerBytes: answerBytes)
            #expect(Self.read(&chip) == .message(message), "answers of \(answerBytes)")
        }
    }

    @Test func secureMessageTakesFiveExchanges() {
        let message = SecureMessageTests.ndef(SecureMessageTests.withFile)
        var chip = Chip(message: message)
        #expect(Self.read(&chip) == .message(message))
        #expect(chip.commands == 5)
    }

    @Test func messageAboveLimitIsRejected() {
        let longest = [UInt8](repeating: 7, count: Type4Tag.messageLimitBytes)
        var chip = Chip(message: longest, fileBytes: 2_048)
        #expect(Self.read(&chip) == .message(longest))
        chip = Chip(message: longest + [7], fileBytes: 2_048)
        #expect(Self.read(&chip) == .unsupported)
        chip = Chip(message: longest, fileBytes: 2_048, answerBytes: 15)
        #expect(Self.read(&chip) == .message(longest))
    }

    @Test func otherChipsAreUnsupported() {
        let message: [UInt8] = [1, 2, 3]
        // NDEF application, capability container or file is missing.
        var tag = Type4Tag()
        _ = tag.begin()
        #expect(tag.answered([0x6A, 0x82]) == .unsupported)
        for file: [UInt8] in [[0xE1, 0x03], [0xE1, 0x04]] {
            var chip = Chip(message: message)
            chip.files[file] = nil
            #expect(Self.read(&chip) == .unsupported)
        }
        // Capabilities: version, answers too short, another TLV, read access by key, a file too short.
        for (index, value) in [(2, 0x10), (3, 0), (7, 0x05), (8, 0x05), (13, 0x80), (11, 0)] as [(Int, UInt8)] {
            var chip = Chip(message: message, fileBytes: 256, answerBytes: 256)
            chip.files[[0xE1, 0x03]]![index] = value
            if index == 3 { chip.files[[0xE1, 0x03]]![4] = 14 }
            if index == 11 { chip.files[[0xE1, 0x03]]![12] = 4 }
            #expect(Self.read(&chip) == .unsupported, "byte \(index)")
        }
        var chip = Chip(message: message)
        chip.files[[0xE1, 0x03]] = Array(chip.files[[0xE1, 0x03]]!.prefix(14))
        #expect(Self.read(&chip) == .unsupported)
        // The length exceeds the file.
        chip = Chip(message: message)
        chip.files[[0xE1, 0x04]]![0] = 1
        #expect(Self.read(&chip) == .unsupported)
    }

    /// The chip answers one byte at a time, or none.
    @Test func numberOfCommandsIsLimited() {
        for answerBytes in [0, 1] {
            var chip = Chip(message: [UInt8](repeating: 1, count: 200), answerBytes: 256)
            chip.answerBytes = 256
            var tag = Type4Tag()
            var action = tag.begin()
            var sent = 0
            while case .send(let command) = action {
                sent += 1
                let isRest = sent > 5
                let answer = chip.answer(command)
                let isFirst = sent == 5
                if isFirst {
                    action = tag.answered(Array(answer.prefix(2)) + [0x90, 0x00])
                } else {
                    action = tag.answered(
                        isRest ? Array(answer.dropLast(2).prefix(answerBytes)) + [0x90, 0x00] : answer)
                }
                #expect(sent <= Type4Tag.commandLimit)
            }
            #expect(action == .unsupported)
        }
    }

    @Test func randomAnswersEndTheRead() {
        var random = TestRandom(3)
        for _ in 0..<2_000 {
            var tag = Type4Tag()
            var action = tag.begin()
            var sent = 0
            while case .send = action {
                sent += 1
                var noise = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { noise += [0x90, 0x00] }
                action = tag.answered(noise)
            }
            #expect(sent <= Type4Tag.commandLimit)
        }
    }
}
