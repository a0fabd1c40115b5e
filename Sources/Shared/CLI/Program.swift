import CLinux
import Glibc
import Runtime

/// A command of a program: its words, what it takes, and how its parts are made.
package struct Command: Sendable {
    package typealias Work = @Sendable () async throws -> Void

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
    package init(
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
package struct Program: Sendable {
    let name: String
    let summary: String
    let commands: [Command]

    package init(_ name: String, _ summary: String, commands: [Command]) {
        (self.name, self.summary, self.commands) = (name, summary, commands)
    }

    /// Runs and ends the process.
    package func main() async -> Never {
        // Line by line, also into a pipe: who reads verdicts must not wait for a full buffer.
        shim_stdout_by_line()
        signal(SIGPIPE, SIG_IGN)
        do {
            try await run(Array(CommandLine.arguments.dropFirst()), environment: Program.environment())
            exit(ExitCode.done.rawValue)
        } catch {
            let code = ExitCode(for: error)
            Log(name).error("failed", [.error: "\(error)", .code: code.rawValue])
            exit(code.rawValue)
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
    package func run(_ words: [String], environment: [String: String]) async throws {
        if words.contains("--version") { return print("\(name) \(Software.version)") }
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
}
