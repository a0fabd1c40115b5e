/// Help texts, all rendered from the command and option tables.
extension Program {
    /// The options that every command has.
    private static let common = [
        Option.toggle("check", "validate the settings and exit: 0 if they are valid, 78 if not"),
        Option.toggle("help", "show this text"),
    ]

    /// Width of help texts, in characters.
    static let helpColumns = 100
    /// Maximum width of the left column. The help of a longer flag begins on the next line.
    private static let labelLimit = 32

    func help() -> String {
        """
        \(Program.wrapped("\(name): \(summary)", indent: 2))

        Commands (each accepts --help, and --check to validate its settings and exit):
        \(Program.table(commands.map { ($0.usage, $0.summary) }))

        Exit codes: 0 done, 1 failed, 64 usage, 69 dependency unreachable, 78 configuration.
        """
    }

    func help(_ command: Command) -> String {
        let rows = (command.options + Program.common).map { option in
            (
                option.usage,
                option.help
                    + (option.isRequired ? "; required" : "")
                    + (option.isRepeatable ? "; repeatable" : "")
                    + (option.isSecret ? "; or --\(option.flag)-file PATH" : "")
                    + (option.fallback.map { " (default \($0))" } ?? "")
            )
        }
        let details = command.details.split(separator: "\n", omittingEmptySubsequences: false)
            .map(Program.wrappedDetail).joined(separator: "\n")
        return """
            \(Program.wrapped("\(name) \(command.usage): \(command.summary)", indent: 2))

            \(Program.table(rows))
            \(details.isEmpty ? "" : "\n\(details)\n")
            Every flag is also an environment variable: --database-url is TAPLINE_DATABASE_URL. The flag wins.
            """
    }

    /// Two columns within `helpColumns`.
    private static func table(_ rows: [(label: String, text: String)]) -> String {
        let width = rows.map(\.label.count).filter { $0 <= labelLimit }.max() ?? labelLimit
        let margin = String(repeating: " ", count: width + 4)
        let lines = rows.map { row in
            let text = wrapped(margin + row.text, indent: width + 4)
            guard row.label.count > width else { return "  " + padded(row.label, width) + text.dropFirst(width + 2) }
            return "  " + row.label + "\n" + text
        }
        return lines.joined(separator: "\n")
    }

    /// Breaks a text at its blanks, so that no line is longer than `helpColumns`. A longer word stays whole.
    ///
    /// - Parameter indent: number of blanks before each further line.
    static func wrapped(_ text: String, indent: Int) -> String {
        let margin = text.prefix { $0 == " " }
        var lines: [String] = []
        var line = ""
        for word in text.dropFirst(margin.count).split(separator: " ") {
            let start = lines.isEmpty ? String(margin) : String(repeating: " ", count: indent)
            if line.isEmpty {
                line = start + word
            } else if line.count + 1 + word.count <= helpColumns {
                line += " " + word
            } else {
                lines.append(line)
                line = String(repeating: " ", count: indent) + word
            }
        }
        return (lines + [line]).joined(separator: "\n")
    }

    /// Breaks a long line of details within its second column, which begins after two blanks.
    static func wrappedDetail(_ line: Substring) -> String {
        guard line.count > helpColumns else { return String(line) }
        let characters = Array(line)
        let margin = characters.prefix { $0 == " " }.count
        let column =
            characters.indices.first {
                $0 > margin + 1 && characters[$0] != " " && characters[$0 - 1] == " " && characters[$0 - 2] == " "
            } ?? margin
        let rest = String(repeating: " ", count: column) + line.dropFirst(column)
        return String(line.prefix(column)) + wrapped(rest, indent: max(column, 2)).dropFirst(column)
    }

    /// The section of this program in docs/reference/cli.md. Paragraphs and list items are not wrapped.
    func markdown() -> String {
        var lines = ["## \(name)", "", paragraph(summary)]
        for command in commands {
            lines += ["", "### \(name) \(command.words.joined(separator: " "))", ""]
            lines += ["```", "\(name) \(command.usage)\(command.options.isEmpty ? "" : " [OPTION ...]")", "```", ""]
            lines.append(paragraph(command.summary))
            if !command.options.isEmpty { lines.append("") }
            for option in command.options {
                var notes: [String] = []
                if option.isRequired { notes.append("Required.") }
                if option.isRepeatable { notes.append("Repeatable.") }
                if option.isSecret { notes.append("Or `--\(option.flag)-file PATH`.") }
                if let fallback = option.fallback { notes.append("Default: `\(fallback)`.") }
                lines.append("- `\(option.usage)`: " + ([sentence(option.help)] + notes).joined(separator: " "))
            }
            if !command.details.isEmpty { lines += ["", "```", command.details, "```"] }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A phrase that ends with a period and has no `<`, which begins a tag in Markdown.
    private func sentence(_ phrase: String) -> String {
        phrase.split(separator: "<", omittingEmptySubsequences: false).joined(separator: "\\<") + "."
    }

    private func paragraph(_ summary: String) -> String {
        summary.prefix(1).uppercased() + sentence(summary).dropFirst()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

extension Command {
    /// The name and the positional arguments.
    fileprivate var usage: String { (words + (positionals.isEmpty ? [] : [positionals])).joined(separator: " ") }
}

extension Option {
    /// The flag and the name of its value.
    fileprivate var usage: String { "--\(flag)" + (placeholder.isEmpty ? "" : " \(placeholder)") }
}
