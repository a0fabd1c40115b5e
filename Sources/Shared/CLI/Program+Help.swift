/// Help texts, all rendered from the command and option tables.
extension Program {
    /// The options that every command has.
    private static let common = [
        Option.toggle("check", "validate the settings and exit: 0 if they are valid, 78 if not"),
        Option.toggle("help", "show this text"),
    ]

    func help() -> String {
        let width = commands.map { $0.usage.count }.max() ?? 0
        let rows = commands.map { "  " + padded($0.usage, width) + "  " + $0.summary }
        return """
            \(name): \(summary)

            Commands (each accepts --help, and --check to validate its settings and exit):
            \(rows.joined(separator: "\n"))

            Exit codes: 0 done, 1 failed, 64 usage, 69 dependency unreachable, 78 configuration.
            """
    }

    func help(_ command: Command) -> String {
        let options = command.options + Program.common
        let width = options.map(\.usage.count).max() ?? 0
        let lines = options.map { option in
            "  " + padded(option.usage, width) + "  "
                + option.help
                + (option.isRepeatable ? "; repeatable" : "")
                + (option.isSecret ? "; or --\(option.flag)-file PATH" : "")
                + (option.fallback.map { " (default \($0))" } ?? "")
        }
        return """
            \(name) \(command.usage): \(command.summary)

            \(lines.joined(separator: "\n"))
            \(command.details.isEmpty ? "" : "\n\(command.details)\n")
            Every flag is also an environment variable: --database-url is TAPLINE_DATABASE_URL. The flag wins.
            """
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

    private func padded(_ text: String, _ width: Int) -> String {
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
