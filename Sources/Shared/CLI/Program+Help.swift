extension Program {
    func help() -> String {
        let width = commands.map { usage($0).count }.max() ?? 0
        let rows = commands.map { "  " + padded(usage($0), width) + "  " + $0.summary }
        return """
            \(name): \(summary)

            Commands (each takes --help, and --check to validate its settings and exit):
            \(rows.joined(separator: "\n"))

            Exit codes: 0 done, 1 failed, 64 usage, 69 dependency unreachable, 78 configuration.
            """
    }

    func help(_ command: Command) -> String {
        let common = [
            Option.toggle("check", "validate the settings and exit: 0 good, 78 bad"),
            Option.toggle("help", "show this"),
        ]
        let rows = (command.options + common).map { option in
            (left: "--\(option.flag)" + (option.placeholder.isEmpty ? "" : " \(option.placeholder)"), option: option)
        }
        let width = rows.map(\.left.count).max() ?? 0
        let lines = rows.map { row in
            var text = "  " + padded(row.left, width) + "  " + row.option.help
            if row.option.isRepeatable { text += "; repeatable" }
            if row.option.isSecret { text += "; or --\(row.option.flag)-file PATH" }
            if let fallback = row.option.fallback { text += " (default \(fallback))" }
            return text
        }
        return """
            \(name) \(usage(command)): \(command.summary)

            \(lines.joined(separator: "\n"))
            \(command.details.isEmpty ? "" : "\n\(command.details)\n")
            Every flag is also an environment variable: --database-url is TAPLINE_DATABASE_URL. The flag wins.
            """
    }

    private func usage(_ command: Command) -> String {
        (command.words + (command.positionals.isEmpty ? [] : [command.positionals])).joined(separator: " ")
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
