internal import CLinux
import Glibc

/// A command of a program: its words, what it takes, and how its parts are made.
public struct Command: Sendable {
    public typealias Work = @Sendable () async throws -> Void

    let words: [String]
    let positionals: String
    let summary: String
    let details: String
    let options: [Option]
    let positionalCount: ClosedRange<Int>
    let prepare: @Sendable (Arguments) async throws -> Work

    /// - Parameters:
    ///   - words: `run`, or `scanner add`.
    ///   - positionals: how help shows them, `ID` or `[FILE ...]`.
    ///   - details: what its own help says below the options; empty: nothing.
    ///   - prepare: validates every setting and makes the parts, without touching network or data; gives the work. `--check`
    ///     ends after it.
    public init(
        _ words: String, positionals: String = "", count: ClosedRange<Int> = 0...0, _ summary: String,
        options: [Option], details: String = "",
        prepare: @escaping @Sendable (Arguments) async throws -> Work
    ) {
        self.words = words.split(separator: " ").map(String.init)
        (self.positionals, self.summary, self.options) = (positionals, summary, options)
        (positionalCount, self.details, self.prepare) = (count, details, prepare)
    }
}

/// A program of several commands: reads the command line, gives help, ends with the exit codes of SPEC.md section 8.
public struct Program: Sendable {
    public static let version = "0.1.0"
    let name: String
    let summary: String
    let commands: [Command]

    public init(_ name: String, _ summary: String, commands: [Command]) {
        (self.name, self.summary, self.commands) = (name, summary, commands)
    }

    /// Runs and ends the process.
    public func main() async -> Never {
        // Line by line, also into a pipe: who reads verdicts must not wait for a full buffer.
        shim_stdout_by_line()
        signal(SIGPIPE, SIG_IGN)
        do {
            try await run(Array(CommandLine.arguments.dropFirst()), environment: Program.environment())
            exit(ExitCode.done.rawValue)
        } catch let error as ProgramError {
            Log(name).error("failed", [.error: error.description, .code: error.code.rawValue])
            exit(error.code.rawValue)
        } catch {
            Log(name).error("failed", [.error: "\(error)"])
            exit(ExitCode.failed.rawValue)
        }
    }

    static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return result
    }

    /// The same without ending the process, for tests.
    public func run(_ words: [String], environment: [String: String]) async throws {
        if words.contains("--version") { return print("\(name) \(Program.version)") }
        guard let command = match(words) else {
            if words.contains("--help") || words.contains("-h") || words.first == "help" { return print(help()) }
            let known = commands.map { $0.words.joined(separator: " ") }.joined(separator: ", ")
            let given = words.prefix { !$0.hasPrefix("-") }.joined(separator: " ")
            throw ProgramError.usage(
                (given.isEmpty ? "a command is needed" : "unknown command '\(given)'")
                    + "; one of: \(known) (\(name) --help)")
        }
        let rest = Array(words.dropFirst(command.words.count))
        if rest.contains("--help") || rest.contains("-h") { return print(help(command)) }
        let check = rest.contains("--check")
        do {
            let arguments = try Program.parse(rest.filter { $0 != "--check" }, command, environment)
            let work = try await command.prepare(arguments)
            if check { return print("\(name) \(command.words.joined(separator: " ")): the configuration is good") }
            try await work()
        } catch let error where check {
            guard let known = error as? ProgramError, known.code == .usage else {
                throw ProgramError.configuration("\(error)")
            }
            throw known
        }
    }

    private func match(_ words: [String]) -> Command? {
        commands.filter { words.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
    }

    static func parse(_ words: [String], _ command: Command, _ environment: [String: String]) throws -> Arguments {
        var values: [String: [String]] = [:]
        var positionals: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                positionals += rest
                break
            }
            guard word.hasPrefix("--") else {
                guard !word.hasPrefix("-") || word == "-" else {
                    throw ProgramError.usage("unknown flag \(word) (see --help)")
                }
                positionals.append(word)
                continue
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(parts[0])
            let direct = command.options.first { $0.flag == flag }
            let fromFile = command.options.first { $0.isSecret && $0.flag + "-file" == flag }
            guard let option = direct ?? fromFile else {
                throw ProgramError.usage("unknown flag --\(flag) (see --help)")
            }
            if option.kind == .toggle {
                guard parts.count == 1 else { throw ProgramError.usage("--\(flag) takes no value") }
                values[flag] = ["true"]
                continue
            }
            guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
                throw ProgramError.usage("--\(flag) needs a value: \(option.placeholder)")
            }
            values[option.flag, default: []] +=
                direct == nil ? self.values(of: option, try secret(value, flag)) : [value]
        }
        for option in command.options where values[option.flag] == nil {
            if let value = environment[option.variable], !value.isEmpty {
                guard option.kind == .toggle else {
                    values[option.flag] = self.values(of: option, value)
                    continue
                }
                if value != "0" && value != "false" { values[option.flag] = ["true"] }
            } else if option.isSecret, let path = environment[option.variable + "_FILE"], !path.isEmpty {
                values[option.flag] = self.values(of: option, try secret(path, option.flag + "-file"))
            } else if let fallback = option.fallback {
                values[option.flag] = [fallback]
            }
        }
        guard command.positionalCount.contains(positionals.count) else {
            throw ProgramError.usage(
                "\(command.words.joined(separator: " ")) takes \(command.positionals.isEmpty ? "no words" : command.positionals)"
                    + ", not '\(positionals.joined(separator: " "))'")
        }
        for option in command.options where option.isRequired && values[option.flag] == nil {
            throw ProgramError.configuration("--\(option.flag) \(option.placeholder) is needed: \(option.help)")
        }
        return Arguments(values: values, positionals: positionals)
    }

    // Keys and URLs hold no blanks; several of them are told apart by blanks or line ends.
    private static func values(of option: Option, _ text: String) -> [String] {
        option.isRepeatable ? text.split(whereSeparator: \.isWhitespace).map(String.init) : [text]
    }

    private static func secret(_ path: String, _ flag: String) throws -> String {
        do {
            let text = try Files.readText(path, limit: 65_536)
            return String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        } catch { throw ProgramError.configuration("--\(flag): \(error)") }
    }
}
