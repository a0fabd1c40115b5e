import ErrorModel

/// The text of a cell that identifies: a UID, a code, a tag ID, a reference.
///
/// Spreadsheets turn such texts into numbers, or mark them so that they stay texts.
enum SpreadsheetText {
    /// Returns the text of a cell without the marks of a spreadsheet, and without blanks and invisible characters at its
    /// ends.
    ///
    /// - Returns: an empty text for a cell of such characters alone.
    /// - Throws: `CellError` for a number in exponent form: the spreadsheet has rounded it.
    static func identifier(_ cell: String) throws(CellError) -> String {
        let text = unmarked(cell)
        guard !isExponentForm(text) else {
            throw CellError(
                "was rounded by a spreadsheet: use the file from before it was opened there, or format the column as "
                    + "text and enter the values again")
        }
        return text
    }

    /// Takes off the marks for "this is a text": `'00123` and `="00123"`.
    static func unmarked(_ marked: String) -> String {
        let cell = marked.trimmingInvisible
        if cell.hasPrefix("=\""), cell.hasSuffix("\""), cell.utf8.count >= 3 {
            return String(cell.dropFirst(2).dropLast()).trimmingInvisible
        }
        return cell.hasPrefix("'") && cell.utf8.count > 1 ? String(cell.dropFirst()).trimmingInvisible : cell
    }

    /// Whether the text is a number as a spreadsheet shows a long one: `1.23457E+19`, with any decimal separator.
    ///
    /// The exponent has a sign, or the number has a decimal separator: `12E4` can be a UID or a code.
    static func isExponentForm(_ text: String) -> Bool {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "E" || $0 == "e" }
        guard parts.count == 2 else { return false }
        let mantissa = parts[0].drop { $0 == "-" || $0 == "+" }
        let numbers = mantissa.split(omittingEmptySubsequences: false) { $0 == "." || $0 == "," || $0 == "٫" }
        let exponent = parts[1].drop { $0 == "-" || $0 == "+" }
        let isSigned = exponent.count < parts[1].count
        return (1...2).contains(numbers.count) && isNumber(numbers[0]) && numbers.dropFirst().allSatisfy(isDigits)
            && isNumber(exponent) && (isSigned || numbers.count == 2)
    }

    private static func isNumber(_ text: Substring) -> Bool { !text.isEmpty && isDigits(text) }

    private static func isDigits(_ text: Substring) -> Bool { text.utf8.allSatisfy { (48...57).contains($0) } }
}

/// Detects a column of tag IDs that a spreadsheet has rounded to 15 digits and written in full: the digits behind them
/// are zeros.
///
/// One tag ID of 10,000 ends like that by chance. So a list is rejected only if a tenth of its long tag IDs do.
struct RoundedTagIDs {
    /// Maximum number of lines that are kept for messages.
    private static let limit = ImportRejected.limit

    private var longIDs = 0
    private var rounded = 0
    private var first: [(line: Int, text: String)] = []

    mutating func note(_ id: Int64, _ text: String, line: Int) {
        // Tag IDs of 19 digits are nine tenths of all.
        guard id.magnitude >= 1_000_000_000_000_000_000 else { return }
        longIDs += 1
        guard id.magnitude.isMultiple(of: 10_000) else { return }
        rounded += 1
        if first.count < Self.limit { first.append((line, text)) }
    }

    /// The errors of the rounded tag IDs; empty for a list whose tag IDs are whole.
    var problems: [RowError] {
        guard rounded * 10 >= longIDs else { return [] }
        return first.map { line, text in
            RowError(
                line: line,
                "tag_id '\(text)' was rounded by a spreadsheet: use the file as it was exported, and format the column "
                    + "as text before it is opened in a spreadsheet")
        }
    }
}
