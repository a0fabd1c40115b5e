import TestSupport
import Testing

@testable import CLI

/// Help that fits a terminal, and errors that name what was meant.
struct HelpTests {
    private static let programs = [
        "tapline-gate", "tapline-publisher", "tapline-center", "tapline-snapshot", "tapline-fleet",
    ]

    private func message(_ words: [String]) async -> String {
        let commands = ["run", "status", "scanner add"].map {
            Command(
                $0, positionals: "[ID]", count: 0...1, "test",
                options: [
                    Option("scanner", "ID", "who"), Option("amqp-url", "URL", "where", kind: .secrets),
                    Option("relay-user", "NAME", "who", kind: .repeated),
                ]
            ) { _ in {} }
        }
        do {
            try await Program("program", "test", commands: commands).run(words, environment: [:])
            return ""
        } catch { return "\(error)" }
    }

    @Test func unknownCommandNamesTheNearest() async {
        for (words, nearest) in [
            (["stauts"], "status"), (["scaner", "add", "lane-7"], "scanner add"), (["RUN", "--scanner", "x"], "run"),
        ] as [([String], String)] {
            let text = await message(words)
            #expect(text.hasSuffix(": did you mean '\(nearest)'? (program --help)"), "\(text)")
        }
        let unlike = await message(["frobnicate"])
        #expect(unlike.hasPrefix("unknown command 'frobnicate'; one of: run, status, scanner add"))
    }

    @Test func verbsOfOtherProgramsNameTheCommand() async {
        let commands = ["zone add", "zone remove", "event set", "event key", "run"].map { name in
            Command(name, positionals: "[ID]", count: 0...1, "test", options: []) { _ in {} }
        }
        func message(_ words: [String]) async -> String {
            do {
                try await Program("program", "test", commands: commands).run(words, environment: [:])
                return ""
            } catch { return "\(error)" }
        }
        for (words, nearest) in [
            (["zone", "delete", "X"], "zone remove"), (["zone", "rm", "X"], "zone remove"),
            (["zone", "create", "X"], "zone add"),
        ] as [([String], String)] {
            let text = await message(words)
            #expect(text.contains("did you mean '\(nearest)'?"), "\(text)")
        }
        let bare = await message(["event"])
        #expect(bare == "'event' needs a command: event set, event key (program --help)")
    }

    @Test func flagWithoutACommandNamesTheNearest() async {
        #expect(await message(["--hlep"]) == "unknown flag --hlep: did you mean --help?")
        #expect(await message(["--frobnicate"]).hasPrefix("a command is required; one of: run"))
        #expect(await message(["snapshot", "export"]).contains("tapline-snapshot"))
    }

    @Test func jsonFlagNamesTheOutput() async {
        let command = Command("status", positionals: "[ID]", count: 0...1, "test", options: [.output]) { _ in {} }
        do {
            try await Program("program", "test", commands: [command]).run(["status", "--json"], environment: [:])
            Issue.record("the flag was taken")
        } catch { #expect("\(error)".contains("did you mean --output json?")) }
    }

    @Test func unknownFlagNamesTheNearest() async {
        for (word, nearest) in [
            ("--scaner", "--scanner"), ("--amqp-url-fil", "--amqp-url-file"), ("--amqp-uri=x", "--amqp-url"),
            ("-scanner", "--scanner"), ("--chek", "--check"),
        ] as [(String, String)] {
            let text = await message(["run", word])
            #expect(text.contains("did you mean \(nearest)?"), "\(text)")
        }
        let unlike = await message(["run", "--frobnicate"])
        #expect(unlike == "unknown flag --frobnicate (see --help)")
    }

    @Test(arguments: ["--relay-user", "--amqp-url"]) func emptyMemberOfAListIsRefused(flag: String) async {
        for words in [[flag, ""], [flag, " "], [flag + "="]] {
            let text = await message(["run"] + words)
            #expect(text.hasPrefix("\(flag) is empty"), "\(text)")
        }
    }

    @Test func longTextIsWrappedAtBlanks() {
        let text = String(repeating: "word ", count: 50)
        let lines = Program.wrapped("    " + text, indent: 6).split(separator: "\n")
        #expect(lines.count == 3 && lines.allSatisfy { $0.count <= Program.helpColumns })
        #expect(lines[0].hasPrefix("    word") && lines[1].hasPrefix("      word"))
        let long = String(repeating: "x", count: 200)
        #expect(Program.wrapped("a " + long, indent: 2) == "a\n  " + long)
    }

    @Test func longDetailIsWrappedInItsColumn() {
        let words = String(repeating: "word ", count: 30).dropLast()
        let lines = Program.wrappedDetail("  tap [MS]   \(words)").split(separator: "\n")
        #expect(lines.count == 2 && lines.allSatisfy { $0.count <= Program.helpColumns })
        #expect(lines[0].hasPrefix("  tap [MS]   word ") && lines[1].hasPrefix("             word "))
        #expect(Program.wrappedDetail("  a   b") == "  a   b")
    }

    @Test(arguments: programs) func helpFitsIn100Columns(program: String) throws {
        let overview = try Run.it(program, ["--help"])
        #expect(overview.end == .exit(0))
        var texts = [overview.lines]
        // A command is a line with two blanks before its name.
        for line in overview.lines where line.hasPrefix("  ") && !line.hasPrefix("   ") {
            let name = line.dropFirst(2).split(separator: " ").prefix {
                $0.first?.isLowercase == true && !$0.contains("|")
            }
            texts.append(try Run.it(program, name.prefix(2).map(String.init) + ["--help"]).lines)
        }
        for line in texts.joined() { #expect(line.count <= Program.helpColumns, "\(line)") }
    }

    @Test func wordsOfOperatorsNameTheCommand() async {
        let output = Option("output", "text|json", "form")
        let commands = ["run", "mode", "status"].map { name in
            Command(name, positionals: "[ID]", count: 0...1, "test", options: [output]) { _ in {} }
        }
        for (words, nearest) in [
            (["close"], "'mode closed'"), (["open", "--data", "x"], "'mode free'"), (["free"], "'mode free'"),
            (["status", "--json"], "--output json"), (["--hlep"], "--help"), (["--verison"], "--version"),
        ] as [([String], String)] {
            do {
                try await Program("program", "test", commands: commands).run(words, environment: [:])
                Issue.record("\(words) was accepted")
            } catch { #expect("\(error)".contains("did you mean \(nearest)?"), "\(error)") }
        }
    }
}
