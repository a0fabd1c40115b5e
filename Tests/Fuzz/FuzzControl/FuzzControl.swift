import FuzzDriver

@testable import GateController

/// Lines of the control socket. A command that is accepted can be sent.
@main enum FuzzControl {
    static func main() {
        fuzz { bytes in
            let line = String(decoding: bytes, as: UTF8.self)
            _ = ControlMessage.result(line)
            guard case .success(let command) = ControlMessage.command(line) else { return }
            let sent = ControlMessage.line(command)
            precondition(!sent.contains("\n"))
            guard case .success = ControlMessage.command(sent) else { fatalError("not accepted: \(sent)") }
        }
    }
}
