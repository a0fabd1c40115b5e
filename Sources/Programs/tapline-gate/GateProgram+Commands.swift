import AccessControl
import CLI
import GateController

/// Operator commands for the gate that runs in the folder.
extension GateProgram {
    static let admit = Command(
        "admit", positionals: "[UID]", count: 0...1,
        "admit one person manually, with the UID of a wristband in hex or without a wristband",
        options: [
            .dataFolder, .enrolment,
            Option(
                "reason", "TEXT", "reason, recorded in the journal and in the log, and sent to the center",
                required: true),
        ]
    ) { arguments in
        let reason = try arguments.required("reason")
        let uid = try arguments.positionals.first.map { text in
            guard let tap = try? TapLine(text), !text.contains(",") else {
                throw ProgramError.usage("admit: a UID of 1 to 32 bytes of hex is needed")
            }
            return tap.uid
        }
        return try send(.admit(uid: uid, reason: reason), arguments)
    }

    static let mode = Command(
        "mode", positionals: "normal|free|closed", count: 1...1,
        "set the mode of the lane; free admits and counts everyone, closed blocks entries and permits exits",
        options: [
            .dataFolder, .enrolment,
            Option("reason", "TEXT", "reason, recorded in the journal and in the log, and sent to the center"),
        ]
    ) { arguments in
        guard let mode = LaneMode(rawValue: arguments.positionals[0]) else {
            throw ProgramError.usage("mode \(arguments.positionals[0]): one of normal, free, closed is needed")
        }
        return try send(.mode(mode, reason: arguments["reason"]), arguments)
    }

    static let assign = Command(
        "assign", positionals: "[GATE]", count: 0...1,
        "assign this device to a gate permanently; the gate program need not run",
        options: [
            .dataFolder, .enrolment,
            .toggle("default", "remove the assignment: use --gate, or the scanner's gate in the registry"),
        ]
    ) { arguments in
        let gate = arguments.positionals.first
        guard arguments.has("default") == (gate == nil) else {
            throw ProgramError.usage("assign: the name of a gate, or --default, is needed")
        }
        let folder = try arguments.required("data")
        return { print(try result { try ControlClient.assign(gate, folder: folder) }) }
    }

    private static func send(_ command: LaneCommand, _ arguments: Arguments) throws -> Command.Work {
        let folder = try arguments.required("data")
        return { print(try result { try ControlClient.send(command, folder: folder) }) }
    }

    private static func result(_ body: () throws -> CommandResult) throws -> String {
        do {
            switch try body() {
            case .done(let text): return text
            case .rejected(let text): throw ProgramError.failed(text)
            }
        } catch ControlError.noSuchFolder(let folder) { throw ProgramError.missingFolder("data", folder) }
    }
}
