import FileSystem
import Runtime

extension Program {
    /// Returns the value of each option: from its flag, or else the environment, the enrolment file or the default.
    ///
    /// - Throws: `ProgramError` (usage or configuration).
    static func parse(_ words: [String], _ command: Command, _ environment: [String: String]) throws -> Arguments {
        let (given, positionals) = try flags(words, command)
        var values = given
        try fill(&values, command, from: environment)
        if let path = values[Option.enrolment.flag]?.last {
            try fill(&values, command, from: try EnvironmentFile.read(path))
        }
        for option in command.options where values[option.flag] == nil {
            if let fallback = option.fallback { values[option.flag] = [fallback] }
        }
        guard command.positionalCount.contains(positionals.count) else {
            throw ProgramError.usage(
                "\(command.words.joined(separator: " ")): expected "
                    + (command.positionals.isEmpty ? "no arguments" : command.positionals)
                    + ", found '\(positionals.joined(separator: " "))'")
        }
        for option in command.options where option.isRequired && values[option.flag] == nil {
            throw ProgramError.configuration("--\(option.flag) \(option.placeholder) is required: \(option.help)")
        }
        return Arguments(values: values, positionals: positionals)
    }

    private static func flags(
        _ words: [String], _ command: Command
    ) throws -> (values: [String: [String]], positionals: [String]) {
        var values: [String: [String]] = [:]
        var positionals: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                positionals += rest
                break
            }
            guard word.hasPrefix("--") else {
                guard !word.hasPrefix("-") || word == "-" else { throw unknownFlag(word, command) }
                positionals.append(word)
                continue
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(parts[0])
            let direct = command.options.first { $0.flag == flag }
            let fromFile = command.options.first { $0.isSecret && $0.flag + "-file" == flag }
            guard let option = direct ?? fromFile else { throw unknownFlag("--" + flag, command) }
            if option.kind == .toggle {
                guard parts.count == 1 else { throw ProgramError.usage("--\(flag) accepts no value") }
                values[flag] = ["true"]
                continue
            }
            guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
                throw ProgramError.usage("--\(flag) requires a value: \(option.placeholder)")
            }
            // An empty member of a list is a variable of a script that was not set.
            guard !option.isRepeatable || value.contains(where: { !$0.isWhitespace }) else {
                throw ProgramError.usage("--\(flag) is empty: \(option.placeholder) is required")
            }
            values[option.flag, default: []] +=
                direct == nil ? self.values(of: option, try secret(value, flag)) : [value]
        }
        return (values, positionals)
    }

    private static func unknownFlag(_ word: String, _ command: Command) -> ProgramError {
        let known = command.options.flatMap { $0.isSecret ? [$0.flag, $0.flag + "-file"] : [$0.flag] }
        if word == "--json", known.contains("output") {
            return .usage("unknown flag --json: did you mean --output json? (see --help)")
        }
        let nearest = NearestName.best(String(word.drop { $0 == "-" }), in: known + ["check", "help", "version"])
        return .usage("unknown flag \(word)" + (nearest.map { ": did you mean --\($0)?" } ?? "") + " (see --help)")
    }

    /// Adds the values of a source of lower priority to the options without a value.
    private static func fill(
        _ values: inout [String: [String]], _ command: Command, from source: [String: String]
    ) throws {
        let known = values
        for option in command.options where known[option.flag] == nil {
            // A source of higher priority sets the flag with the same meaning.
            if let other = option.alternative, known[other] != nil { continue }
            if let value = source[option.variable], !value.isEmpty {
                guard option.kind == .toggle else {
                    values[option.flag] = self.values(of: option, value)
                    continue
                }
                if value != "0" && value != "false" { values[option.flag] = ["true"] }
            } else if option.isSecret, let path = source[option.variable + "_FILE"], !path.isEmpty {
                values[option.flag] = self.values(of: option, try secret(path, option.flag + "-file"))
            }
        }
    }

    // Keys and URLs contain no white space, which therefore separates several of them.
    private static func values(of option: Option, _ text: String) -> [String] {
        option.isRepeatable ? text.split(whereSeparator: \.isWhitespace).map(String.init) : [text]
    }

    /// Maximum size of a file of secrets, in bytes.
    private static let secretLimitBytes = 65_536

    private static func secret(_ path: String, _ flag: String) throws -> String {
        if let problem = Files.exposure(path) {
            throw ProgramError.configuration("--\(flag) \(path): the file holds a secret, and \(problem)")
        }
        do {
            return String(try Files.readText(path, limit: secretLimitBytes).trimmed)
        } catch { throw ProgramError.configuration("--\(flag): \(error)") }
    }
}
