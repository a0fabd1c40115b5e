import FileSystem

extension Program {
    /// Flag, else environment, else enrolment file, else default. Throws `ProgramError`.
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
                "\(command.words.joined(separator: " ")) takes \(command.positionals.isEmpty ? "no words" : command.positionals)"
                    + ", not '\(positionals.joined(separator: " "))'")
        }
        for option in command.options where option.isRequired && values[option.flag] == nil {
            throw ProgramError.configuration("--\(option.flag) \(option.placeholder) is needed: \(option.help)")
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
        return (values, positionals)
    }

    /// Adds what a source of less weight than those before says of the settings that they left open.
    private static func fill(
        _ values: inout [String: [String]], _ command: Command, from source: [String: String]
    ) throws {
        let known = values
        for option in command.options where known[option.flag] == nil {
            // The same thing given in the other way, with more weight.
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
