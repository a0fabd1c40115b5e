import CLinux
import Glibc
import Runtime

/// A command of a program: its name, arguments and options, and the closure that validates them and returns the work.
package struct Command: Sendable {
    /// The work of a command. An error ends the program with the exit code of `ExitCode(for:)`.
    package typealias Work = @Sendable () async throws -> Void

    let words: [String]
    let positionals: String
    let summary: String
    let details: String
    let options: [Option]
    let positionalCount: ClosedRange<Int>
    let prepare: @Sendable (Arguments) async throws -> Work

    /// - Parameters:
    ///   - words: name of the command, for example `run` or `scanner add`.
    ///   - positionals: positional arguments in help texts, for example `ID` or `[FILE ...]`.
    ///   - count: accepted number of positional arguments.
    ///   - summary: purpose of the command: a phrase without a period at its end.
    ///   - options: the options, without `--check`, `--help` and their own companions.
    ///   - details: text below the options in the help of the command; may be empty.
    ///   - prepare: validates all settings without access to network or data, and returns the work. `--check` ends
    ///     after it.
    package init(
        _ words: String, positionals: String = "", count: ClosedRange<Int> = 0...0, _ summary: String,
        options: [Option], details: String = "",
        prepare: @escaping @Sendable (Arguments) async throws -> Work
    ) {
        self.words = words.split(separator: " ").map(String.init)
        self.positionals = positionals
        positionalCount = count
        self.summary = summary
        self.options = options.flatMap { [$0] + $0.companions }
        self.details = details
        self.prepare = prepare
    }
}

/// A program with commands: parses the command line, prints help, and ends with the exit codes of contract.md section
/// 8.
package struct Program: Sendable {
    let name: String
    let summary: String
    let commands: [Command]

    /// Creates a program.
    ///
    /// - Parameters:
    ///   - name: name of the executable.
    ///   - summary: purpose of the program: a phrase without a period at its end.
    ///   - commands: all commands, in the order of the help text.
    package init(_ name: String, _ summary: String, commands: [Command]) {
        self.name = name
        self.summary = summary
        self.commands = commands
    }

    /// Runs the command of the command line and ends the process.
    package func main() async -> Never {
        // Line-buffered, also into a pipe: a reader of verdicts must not wait for a full buffer.
        shim_stdout_by_line()
        signal(SIGPIPE, SIG_IGN)
        // Keys and passwords are in memory: no core dump, and no other process of the same user reads it.
        shim_forbid_dumps()
        let words = Array(CommandLine.arguments.dropFirst())
        SecretArguments.take(words, flags: secretFlags)
        do {
            try await run(words, environment: Program.environment())
            exit(ExitCode.done.rawValue)
        } catch {
            let code = ExitCode(for: error)
            Log(name).error("failed", [.error: "\(error)", .code: code.rawValue])
            exit(code.rawValue)
        }
    }

    /// The flags of all commands that can hold a secret.
    private var secretFlags: Set<String> {
        Set(commands.flatMap(\.options).filter { $0.isSecret || $0.isConcealed }.map(\.flag))
    }

    private static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return result
    }

    /// Runs a command without ending the process.
    ///
    /// `--help-markdown`, which no help text mentions, prints the section of docs/reference/cli.md.
    ///
    /// - Parameters:
    ///   - words: the command line without the name of the program.
    ///   - environment: the environment variables.
    /// - Throws: `ProgramError`, or the error of the command.
    package func run(_ words: [String], environment: [String: String]) async throws {
        if words.contains("--version") { return print("\(name) \(Software.version)") }
        guard let command = match(words) else {
            if words == ["--help-markdown"] { return print(markdown(), terminator: "") }
            if words.contains("--help") || words.contains("-h") || words.first == "help" { return print(help()) }
            throw unknownCommand(words)
        }
        let rest = Array(words.dropFirst(command.words.count))
        if rest.contains("--help") || rest.contains("-h") { return print(help(command)) }
        let isCheck = rest.contains("--check")
        do {
            var arguments = try Program.parse(rest.filter { $0 != "--check" }, command, environment)
            arguments.isCheck = isCheck
            let work = try await command.prepare(arguments)
            if isCheck { return print("\(name) \(command.words.joined(separator: " ")): configuration OK") }
            try await work()
        } catch let error where isCheck {
            guard let known = error as? ProgramError, known.code == .usage else {
                throw ProgramError.configuration("\(error)")
            }
            throw known
        }
    }

    private func unknownCommand(_ words: [String]) -> ProgramError {
        let known = commands.map { $0.words.joined(separator: " ") }
        let given = words.prefix { !$0.hasPrefix("-") }
        guard !given.isEmpty else {
            if let flag = words.first, let near = NearestName.best(String(flag.drop { $0 == "-" }), in: Self.flags) {
                return .usage("unknown flag \(flag): did you mean --\(near)?")
            }
            return .usage("a command is required; one of: \(known.joined(separator: ", ")) (\(name) --help)")
        }
        // `event`: the first word of commands of two words.
        let group = known.filter { $0.hasPrefix("\(given[0]) ") }
        if !group.isEmpty, given.count == 1 {
            return .usage(
                "'\(given[0])' needs a command: \(group.joined(separator: ", ")) (\(name) --help)")
        }
        if let value = Program.values[given[0].lowercased()], known.contains("mode") {
            return .usage("unknown command '\(given[0])': did you mean 'mode \(value)'? (\(name) mode --help)")
        }
        let meant = given.count > 1 ? Program.synonyms[given[1]].map { "\(given[0]) \($0)" } : nil
        // The words after the command are its arguments. The longest beginning that resembles a command counts.
        let nearest =
            meant.flatMap { group.contains($0) ? $0 : nil }
            ?? (1...min(2, given.count)).reversed().lazy
            .compactMap { NearestName.best(given.prefix($0).joined(separator: " "), in: known) }.first
        if nearest == nil, given[0] == "snapshot", name != "tapline-snapshot" {
            return .usage("unknown command 'snapshot': the program for snapshots is tapline-snapshot")
        }
        let choice = nearest.map { ": did you mean '\($0)'?" } ?? "; one of: \(known.joined(separator: ", "))"
        return .usage("unknown command '\(given.joined(separator: " "))'\(choice) (\(name) --help)")
    }

    /// The flags that need no command.
    private static let flags = ["help", "version"]

    /// The verbs of commands by the verbs of other programs.
    private static let synonyms = [
        "delete": "remove", "rm": "remove", "del": "remove", "erase": "remove", "create": "add", "new": "add",
        "ls": "list", "show": "list", "edit": "set", "change": "set", "update": "set", "rename": "set",
    ]

    /// The values of the command `mode` by the words that operators use as commands.
    private static let values = [
        "close": "closed", "closed": "closed", "lock": "closed", "open": "free", "free": "free", "unlock": "free",
        "normal": "normal",
    ]

    private func match(_ words: [String]) -> Command? {
        commands.filter { words.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
    }
}
