import FuzzDriver

@testable import Readers

/// NDEF messages, and the answers of a Type 4 tag that lies.
@main enum FuzzNDEF {
    static func main() {
        fuzz { bytes in
            _ = NDEF.uri(bytes)
            var (input, tag) = (FuzzInput(bytes), Type4Tag())
            var action = tag.begin()
            var commands = 0
            while case .send(let command) = action {
                commands += 1
                precondition(command.count >= 5 && commands <= Type4Tag.commandLimit)
                // After the input, the chip goes on with empty answers.
                action = tag.answered(input.piece() + [0x90, 0x00])
            }
            guard case .message(let message) = action else { return }
            precondition(message.count <= Type4Tag.messageLimitBytes)
            _ = NDEF.uri(message)
        }
    }
}
