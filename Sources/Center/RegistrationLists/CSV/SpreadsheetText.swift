import TextRules

/// The text of a cell that identifies: a UID, a code, a tag ID, a reference.
///
/// Spreadsheets turn such texts into numbers, or mark them so that they stay texts.
package enum SpreadsheetText {
    /// Returns the text of a cell without the marks of a spreadsheet, and without blanks and invisible characters at its
    /// ends.
    ///
    /// - Returns: an empty text for a cell of such characters alone.
    /// - Throws: as `check`.
    static func identifier(_ cell: String) throws(CellError) -> String {
        let text = unmarked(cell)
        try check(text)
        return text
    }

    /// Checks that a text that identifies is no result of a spreadsheet.
    ///
    /// - Throws: `CellError` for a number in exponent form, which the spreadsheet has rounded, and for an error value.
    package static func check(_ text: String) throws(CellError) {
        if isErrorValue(text) {
            throw CellError("is an error value of a spreadsheet: correct the formula, or enter the value as text")
        }
        guard !isExponentForm(text) else {
            throw CellError(
                "was rounded by a spreadsheet: use the file from before it was opened there, or format the column as "
                    + "text and enter the values again")
        }
    }

    /// Error values of Excel and LibreOffice, in English, German and French.
    private static let errorValues: Set<String> = [
        "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
        "#CONNECT!", "#BUSY!", "#UNKNOWN!", "#GETTING_DATA", "#ERROR!", "#NV", "#BEZUG!", "#WERT!", "#ZAHL!",
        "#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!",
    ]

    /// Whether a spreadsheet shows the text instead of a value: `#N/A`, `Err:502`, or `####` for a narrow column.
    static func isErrorValue(_ text: String) -> Bool {
        if text.hasPrefix("#") {
            return errorValues.contains(text.uppercased()) || (text.utf8.count >= 3 && text.allSatisfy { $0 == "#" })
        }
        let number = text.dropFirst(4)
        return text.lowercased().hasPrefix("err:") && number.count == 3 && isNumber(number)
    }

    /// Takes off the marks for "this is a text": `'00123` and `="00123"`.
    static func unmarked(_ marked: String) -> String {
        let cell = marked.trimmingInvisible
        if cell.hasPrefix("=\""), cell.hasSuffix("\""), cell.utf8.count >= 3 {
            return String(cell.dropFirst(2).dropLast()).trimmingInvisible
        }
        return cell.hasPrefix("'") && cell.utf8.count > 1 ? String(cell.dropFirst()).trimmingInvisible : cell
    }

    /// Whether the text is a number as a spreadsheet shows a long one: `1.23457E+19`, with any decimal separator, in
    /// any digits, and with blanks.
    ///
    /// The exponent has a sign, or the number has a decimal separator: `12E4` can be a UID or a code.
    static func isExponentForm(_ text: String) -> Bool {
        guard text.contains(where: { $0 == "E" || $0 == "e" }) else { return false }
        let parts = text.filter { !$0.isWhitespace }
            .split(omittingEmptySubsequences: false) { $0 == "E" || $0 == "e" }
        guard parts.count == 2 else { return false }
        let mantissa = parts[0].drop(while: isSign)
        let numbers = mantissa.split(omittingEmptySubsequences: false) { ".,٫·".contains($0) }
        let exponent = parts[1].drop(while: isSign)
        let isSigned = exponent.count < parts[1].count
        return (1...2).contains(numbers.count) && isNumber(numbers[0]) && numbers.dropFirst().allSatisfy(isDigits)
            && isNumber(exponent) && (isSigned || numbers.count == 2)
    }

    private static func isNumber(_ text: Substring) -> Bool { !text.isEmpty && isDigits(text) }

    private static func isDigits(_ text: Substring) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory == .decimalNumber }
    }

    private static func isSign(_ character: Character) -> Bool { "-+\u{2212}".contains(character) }
}
