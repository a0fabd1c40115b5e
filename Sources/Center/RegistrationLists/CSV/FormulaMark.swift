/// Texts that a spreadsheet program would run as a formula.
///
/// Lists for people begin such a text with an apostrophe, the mark of spreadsheets for "this is text". A reader of the
/// list takes the mark off. A text that begins with the mark itself gets one more, so each text survives the way.
///
/// Cells that identify are read by `SpreadsheetText`, which takes any apostrophe off. Their texts get a mark before
/// every apostrophe at the beginning.
package enum FormulaMark {
    /// With the full-width forms, which spreadsheets in some languages accept.
    private static let formulaStarts: [Unicode.Scalar] = ["=", "+", "-", "@", "＝", "＋", "－", "＠"]
    /// Spreadsheets split cells at these, or drop them together with the blanks at the beginning.
    private static let breaks: [Unicode.Scalar] = ["\t", "\r", "\n"]
    private static let blanks = breaks + [" ", "\u{b}", "\u{c}", "\u{a0}", "\u{3000}", "\u{feff}"]

    /// Returns a text without the mark, if it has one.
    package static func unmarked(_ text: String) -> String {
        guard text.utf8.first == UInt8(ascii: "'"), isFormula(text.unicodeScalars) else { return text }
        return String(text.unicodeScalars.dropFirst())
    }

    /// Whether a text gets a mark. Marks at its beginning do not change the result.
    private static func isFormula(_ text: String.UnicodeScalarView) -> Bool {
        let unmarked = text.drop { $0 == "'" }
        guard let first = unmarked.first else { return false }
        if breaks.contains(first) { return true }
        return unmarked.first { !blanks.contains($0) }.map { formulaStarts.contains($0) } ?? false
    }

    /// Returns an SQL expression of the text with the mark, if it needs one.
    ///
    /// - Parameters:
    ///   - expression: an SQL expression of type text; NULL stays NULL.
    ///   - isIdentifier: whether the cell identifies, so that an apostrophe at the beginning gets a mark, too.
    package static func markedSQL(_ expression: String, isIdentifier: Bool = false) -> String {
        func set(_ scalars: [Unicode.Scalar]) -> String {
            scalars.map { scalar in
                let digits = String(scalar.value, radix: 16)
                return #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
            }.joined()
        }
        let formula = "''*([\(set(breaks))]|[\(set(blanks))]*[\(set(formulaStarts))])"
        let pattern = isIdentifier ? "^(''|\(formula))" : "^\(formula)"
        return "CASE WHEN \(expression) ~ '\(pattern)' THEN '''' || \(expression) ELSE \(expression) END"
    }
}
