import FileSystem
import Glibc
import LinuxSystem
import TestSupport
import Testing

@testable import CLI

/// Sources of settings: flag > environment > default, and the exit codes of contract.md section 8.
struct ProgramTests {
    private static let options = [
        Option("database-url", "URL", "where", kind: .secret, required: true),
        Option("amqp-url", "URL", "which", kind: .secrets),
        Option("relay-user", "NAME", "who", kind: .repeated),
        Option("shards", "N", "how many", default: "4"),
        Option.toggle("quiet", "say less"),
    ]

    /// Returns the arguments that the command `run` receives.
    private func parse(_ words: [String], _ environment: [String: String] = [:]) async throws -> Arguments {
        let seen = Recorder<Arguments>()
        let command = Command("run", positionals: "[WORD ...]", count: 0...3, "run", options: ProgramTests.options) {
            arguments in { seen.record(arguments) }
        }
        try await Program("program", "test", commands: [command]).run(["run"] + words, environment: environment)
        return try #require(seen.all.first)
    }

    private func code(_ words: [String], _ environment: [String: String] = [:]) async -> ExitCode? {
        do {
            _ = try await parse(words, environment)
            return nil
        } catch { return (error as? ProgramError)?.code }
    }

    @Test func flagOverridesEnvironmentAndDefault() async throws {
        let given = ["--database-url", "x"]
        #expect(try await parse(given)["shards"] == "4")
        #expect(try await parse(given, ["TAPLINE_SHARDS": "5"])["shards"] == "5")
        #expect(try await parse(given + ["--shards", "6"], ["TAPLINE_SHARDS": "5"])["shards"] == "6")
        #expect(try await parse(given + ["--shards=7"])["shards"] == "7")
        #expect(try await parse(given + ["--shards", "6", "--shards", "8"])["shards"] == "8")
        // An empty variable counts as not set.
        #expect(try await parse(given, ["TAPLINE_SHARDS": ""])["shards"] == "4")
        #expect(try await parse(["--database-url=a=b"])["database-url"] == "a=b")
    }

    @Test func secretsAreReadFromFiles() async throws {
        let folder = TemporaryFolder()
        try Files.writeAtomically(Array("  postgres://secret\n".utf8), to: folder.file("one"), mode: 0o600)
        try Files.writeAtomically(Array("amqp://a\namqp://b\n".utf8), to: folder.file("two"), mode: 0o600)
        let path = folder.file("one")
        #expect(try await parse(["--database-url-file", path])["database-url"] == "postgres://secret")
        #expect(try await parse([], ["TAPLINE_DATABASE_URL_FILE": path])["database-url"] == "postgres://secret")
        #expect(
            try await parse([], ["TAPLINE_DATABASE_URL_FILE": path, "TAPLINE_DATABASE_URL": "y"])["database-url"] == "y"
        )
        #expect(try await parse(["--database-url", "z"], ["TAPLINE_DATABASE_URL_FILE": path])["database-url"] == "z")
        let several = try await parse(["--database-url", "x", "--amqp-url-file", folder.file("two")])
        #expect(several.all("amqp-url") == ["amqp://a", "amqp://b"])
        #expect(await code(["--database-url-file", folder.file("none")]) == .configuration)
        // Only secrets can be in files.
        #expect(await code(["--database-url", "x", "--shards-file", path]) == .usage)
    }

    @Test func secretFileOfOthersIsRefused() async throws {
        let folder = TemporaryFolder()
        let path = folder.file("url")
        try Files.writeAtomically(Array("postgres://secret".utf8), to: path, mode: 0o600)
        for mode in [0o644, 0o640, 0o660, 0o604, 0o602, 0o620, 0o444] as [UInt32] {
            #expect(chmod(path, mode) == 0)
            #expect(await code(["--database-url-file", path]) == .configuration, "\(String(mode, radix: 8))")
            #expect(await code([], ["TAPLINE_DATABASE_URL_FILE": path]) == .configuration)
        }
        // The last one is a credential of systemd.
        for mode in [0o600, 0o400, 0o440] as [UInt32] {
            #expect(chmod(path, mode) == 0)
            #expect(await code(["--database-url-file", path]) == nil, "\(String(mode, radix: 8))")
        }
        #expect(chown(path, 65_534, 65_534) == 0 && chmod(path, 0o600) == 0)
        #expect(await code(["--database-url-file", path]) == .configuration, "its owner can replace it")
    }

    @Test func secretsOnTheCommandLineAreFound() {
        let flags: Set = ["amqp-url", "password"]
        func found(_ words: String...) -> [String] {
            SecretArguments.places(in: words, flags: flags).map { place in
                "\(place.name) " + String(decoding: words[place.index].utf8.dropFirst(place.offset), as: UTF8.self)
            }
        }
        #expect(
            found("run", "--amqp-url", "amqp://a", "--amqp-url=amqp://b", "--shards", "4") == [
                "--amqp-url amqp://a", "--amqp-url amqp://b",
            ])
        #expect(found("--password=", "--password", "--amqp-url") == ["--password ", "--password --amqp-url"])
        #expect(found("--amqp-url-file", "x", "--", "--password", "y") == [])
        #expect(found("--password") == [] && found() == [])
        #expect(found("enroll", "TAPLINE1:AB", "--", "tapline1:c") == ["TOKEN TAPLINE1:AB", "TOKEN tapline1:c"])
        #expect(found("TAPLINE1:", "TAPLINE1:...") == [])
    }

    @Test func repeatedOptionsKeepTheirOrder() async throws {
        let given = ["--database-url", "x"]
        #expect(try await parse(given + ["--relay-user", "b", "--relay-user=a"]).all("relay-user") == ["b", "a"])
        #expect(try await parse(given, ["TAPLINE_RELAY_USER": "a  b"]).all("relay-user") == ["a", "b"])
        #expect(
            try await parse(given + ["--relay-user", "c"], ["TAPLINE_RELAY_USER": "a b"]).all("relay-user") == ["c"])
        #expect(try await parse(given).all("relay-user").isEmpty)
    }

    @Test func togglesAcceptNoValue() async throws {
        let given = ["--database-url", "x"]
        #expect(try await parse(given).has("quiet") == false)
        #expect(try await parse(given + ["--quiet"]).has("quiet"))
        #expect(try await parse(given, ["TAPLINE_QUIET": "1"]).has("quiet"))
        for no in ["0", "false", ""] { #expect(try await parse(given, ["TAPLINE_QUIET": no]).has("quiet") == false) }
        #expect(await code(given + ["--quiet=yes"]) == .usage)
    }

    @Test func positionalArgumentsAreCounted() async throws {
        let given = ["--database-url", "x"]
        #expect(try await parse(given + ["a", "-", "--", "--b"]).positionals == ["a", "-", "--b"])
        #expect(await code(given + ["a", "b", "c", "d"]) == .usage)
    }

    @Test func usageAndConfigurationHaveExitCodes() async throws {
        #expect(await code(["--database-url", "x", "--unknown"]) == .usage)
        #expect(await code(["--database-url", "x", "-q"]) == .usage)
        #expect(await code(["--database-url"]) == .usage)
        #expect(await code([]) == .configuration)
        let program = Program("program", "test", commands: [])
        for words in [[], ["nothing"], ["--flag"]] {
            let error = await #expect(throws: ProgramError.self) { try await program.run(words, environment: [:]) }
            #expect(error?.code == .usage)
        }
        #expect([ExitCode.done, .failed, .usage, .unreachable, .configuration].map(\.rawValue) == [0, 1, 64, 69, 78])
    }

    @Test func checkValidatesWithoutWork() async throws {
        let seen = Recorder<String>()
        let command = Command("run", "run", options: [Option("n", "N", "number")]) { arguments in
            guard try arguments.int("n", 1...9) != 5 else { throw SystemError("odd", code: 1) }
            seen.record("prepared")
            return { seen.record("worked") }
        }
        let program = Program("program", "test", commands: [command])
        func code(_ words: String...) async -> ExitCode? {
            do {
                try await program.run(words, environment: [:])
                return nil
            } catch { return (error as? ProgramError)?.code }
        }
        #expect(await code("run", "--n", "3", "--check") == nil)
        #expect(seen.all == ["prepared"])
        #expect(await code("run", "--check", "--n", "0") == .configuration)
        // Each error of the validation is a configuration error.
        #expect(await code("run", "--check", "--n", "5") == .configuration)
        #expect(await code("run", "--check", "--m") == .usage)
        #expect(await code("run", "--n", "3") == nil)
        #expect(seen.all == ["prepared", "prepared", "worked"])
    }

    @Test func longestCommandNameWins() async throws {
        let seen = Recorder<String>()
        let commands = ["scanner", "scanner add"].map { words in
            Command(words, positionals: "[ID]", count: 0...1, words, options: []) { arguments in
                { seen.record(words + ":" + arguments.positionals.joined()) }
            }
        }
        let program = Program("program", "test", commands: commands)
        try await program.run(["scanner", "add", "x"], environment: [:])
        try await program.run(["scanner", "y"], environment: [:])
        #expect(seen.all == ["scanner add:x", "scanner:y"])
    }

    @Test func numbersAndChoicesAreValidated() throws {
        let arguments = Arguments(values: ["n": ["7"], "word": ["x"], "way": ["in"], "empty": [""]])
        enum Way: String, CaseIterable { case `in`, out }
        #expect(try arguments.int("n", 0...7) == 7)
        #expect(try arguments.int("none", 0...7) == nil)
        #expect(throws: ProgramError.self) { try arguments.int("n", 0...6) }
        #expect(throws: ProgramError.self) { try arguments.int("word", 0...6) }
        #expect(try arguments.choice("way", Way.self) == .in)
        #expect(throws: ProgramError.self) { try arguments.choice("word", Way.self) }
        #expect(throws: ProgramError.self) { try arguments.required("empty") }
        #expect(throws: ProgramError.self) { try arguments.required("none") }
    }

    @Test func helpListsEveryOption() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let command = Command("run", "do it", options: ProgramTests.options) { _ in { fatalError("not asked") } }
            try await Program("program", "test", commands: [command]).run(["run", "--help"], environment: [:])
        }
        let text = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        for option in ProgramTests.options { #expect(text.contains("--\(option.flag)"), "\(text)") }
        for word in ["--check", "--help", "(default 4)", "--database-url-file", "repeatable"] {
            #expect(text.contains(word), "\(word) in \(text)")
        }
    }
}
