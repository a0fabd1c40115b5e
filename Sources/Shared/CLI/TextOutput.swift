import Glibc
import Runtime
import TextRules

/// The results of commands on standard output. The only place that prints them, which `scripts/checks/access.py` checks.
///
/// Names, reasons and routing keys come from outside. A line break in one would forge a row, and an escape sequence
/// would command the terminal. Therefore each invisible character of a line is shown by its number, as `\u{1B}`. In JSON
/// it is escaped, so that the value stays the same.
package enum TextOutput {
    /// Prints one line for people.
    package static func line(_ text: String) { print(text.visibleInLine) }

    /// Prints lines for people. A line break within one is shown, not printed.
    package static func lines(_ lines: [String]) { for text in lines { line(text) } }

    /// Prints a text that the program has made itself, as it is: a QR code with colours. Never a text from outside.
    package static func verbatim(_ text: String, terminator: String = "\n") { print(text, terminator: terminator) }

    /// Prints a JSON text for programs.
    ///
    /// - Parameter terminator: empty for a text that ends with a newline.
    package static func json(_ text: String, terminator: String = "\n") {
        print(JSONText.escapingInvisible(text), terminator: terminator)
    }

    /// Prints a part of a CSV file for programs, with its line breaks. On a terminal, which an escape sequence would
    /// command, invisible characters are shown by their numbers.
    package static func csv(_ text: String) {
        guard isatty(1) == 1 else { return print(text, terminator: "") }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        print(lines.map { String($0).visibleInLine }.joined(separator: "\n"), terminator: "")
    }

    /// Prints a result in the format that the user chose.
    package static func result(_ format: OutputFormat, json: () throws -> String, lines: () throws -> [String]) rethrows
    {
        switch format {
        case .json: self.json(try json())
        case .text: self.lines(try lines())
        }
    }
}
