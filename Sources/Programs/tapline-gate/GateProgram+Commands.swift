import AccessControl
import CLI
import FileSystem
import GateController
import ScanModel

/// Operator commands for the gate that runs in the folder.
extension GateProgram {
    static let admit = Command(
        "admit", positionals: "[UID]", count: 0...1,
        "admit one person manually: with the UID of a wristband in hex, with one of --code, --tag, --attendee, or "
            + "without a tag; the answer says what the list says of the tag",
        options: [
            .dataFolder, .enrolment,
            Option("code", "TEXT", "text of the person's code"),
            Option("tag", "ID", "tag ID, as the center's list and database have it"),
            Option("attendee", "NUMBER", "number of the attendee in the center's database"),
            Option(
                "reason", "TEXT", "reason, recorded in the journal and in the log, and sent to the center",
                required: true),
        ]
    ) { arguments in
        let reason = try checked(arguments.required("reason"))
        let folder = try arguments.required("data")
        guard arguments.positionals.count + ["code", "tag", "attendee"].count(where: arguments.has) <= 1 else {
            throw ProgramError.usage("admit: UID, --code, --tag and --attendee exclude each other")
        }
        if let text = arguments["attendee"] {
            guard let number = Int64(text) else { throw ProgramError.usage("--attendee \(text): not a number") }
            return {
                guard Files.exists(folder) else { throw ProgramError.missingFolder("data", folder) }
                let tag = try ControlClient.tag(ofAttendee: number, folder: folder)
                TextOutput.line(try result { try ControlClient.send(.admit(.id(tag), reason: reason), folder: folder) })
            }
        }
        return try send(.admit(try manualTag(arguments), reason: reason), arguments)
    }

    /// The tag that the command line names; `nil` without one.
    private static func manualTag(_ arguments: Arguments) throws -> ManualTag? {
        if let text = arguments["code"] {
            do { return .code(try CodeText(text)) } catch { throw ProgramError.usage("--code '\(text)' \(error)") }
        }
        if let text = arguments["tag"] {
            guard let id = Int64(text), id != 0 else { throw ProgramError.usage("--tag \(text): not a tag ID") }
            return .id(TagID(rawValue: id))
        }
        guard let text = arguments.positionals.first else { return nil }
        guard let tap = try? TapLine(text), !text.contains(",") else {
            throw ProgramError.usage(
                "admit \(text): a UID is 4, 7 or 10 bytes in hex; use --code for the text of a code, --tag for a tag ID"
            )
        }
        return .uid(tap.uid)
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
        return try send(.mode(mode, reason: try arguments["reason"].map(checked)), arguments)
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
        return { TextOutput.line(try result { try ControlClient.assign(gate, folder: folder) }) }
    }

    /// Returns a reason that the gate accepts.
    private static func checked(_ reason: String) throws -> String {
        if let problem = OperatorReason.problem(reason) { throw ProgramError.usage("--reason \(problem)") }
        return reason
    }

    private static func send(_ command: LaneCommand, _ arguments: Arguments) throws -> Command.Work {
        let folder = try arguments.required("data")
        return { TextOutput.line(try result { try ControlClient.send(command, folder: folder) }) }
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
