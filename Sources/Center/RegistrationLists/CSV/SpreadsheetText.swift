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
    /// - Throws: `CellError` for a number in exponent form, which the spreadsheet has rounded; for a whole number with
    ///   decimal places; as `checkDamage`.
    package static func check(_ text: String) throws(CellError) {
        try checkDamage(text)
        guard !isExponentForm(text) else {
            throw CellError(
                "was rounded by a spreadsheet: use the file from before it was opened there, or format the column as "
                    + "text and enter the values again")
        }
        guard !isWholeWithPlaces(text) else {
            throw CellError(
                "has decimal places, which a program has added to a whole number: use the file from before, or format "
                    + "the column as text")
        }
    }

    /// Checks a text that can be a number.
    ///
    /// - Throws: `CellError` for an error value of a spreadsheet, and for a character that replaced another one.
    static func checkDamage(_ text: String) throws(CellError) {
        if isErrorValue(text) {
            throw CellError("is an error value of a spreadsheet: correct the formula, or enter the value as text")
        }
        guard !text.unicodeScalars.contains("\u{FFFD}") else {
            throw CellError(
                "holds U+FFFD, which replaced a character in another encoding: export the file again in UTF-8")
        }
    }

    /// Error values of Excel and LibreOffice, in English, German and French.
    private static let errorValues: Set<String> = [
        "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
        "#CONNECT!", "#BUSY!", "#UNKNOWN!", "#GETTING_DATA", "#ERROR!", "#NV", "#BEZUG!", "#WERT!", "#ZAHL!",
        "#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!",
    ]

    /// Whether a spreadsheet shows the text instead of a value: `#N/A`, `Err:502`, or `####` for a narrow column.
    package static func isErrorValue(_ text: String) -> Bool {
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

    /// Whether the text is a number as a spreadsheet shows a long one: `1.23457E+19`, `1.23457×10^19`, with any decimal
    /// separator, in any digits, and with blanks.
    ///
    /// After an E, the exponent has a sign, or the number has a decimal separator: `12E4` can be a UID or a code.
    static func isExponentForm(_ text: String) -> Bool {
        let text = text.filter { !$0.isWhitespace }
        if let (mantissa, exponent) = power(text) {
            return isMantissa(mantissa) && isNumber(exponent.drop(while: isSign))
        }
        // With the Cyrillic and the full-width letters.
        let parts = text.split(omittingEmptySubsequences: false) { "EeЕеＥｅ".contains($0) }
        guard parts.count == 2, isMantissa(parts[0]) else { return false }
        let exponent = parts[1].drop(while: isSign)
        return isNumber(exponent) && (exponent.count < parts[1].count || parts[0].contains(where: isSeparator))
    }

    /// Whether the text is a whole number that a program wrote with decimal places: `12345.0`, `12345,00`.
    private static func isWholeWithPlaces(_ text: String) -> Bool {
        let parts = text.drop(while: isSign).split(omittingEmptySubsequences: false, whereSeparator: isSeparator)
        return parts.count == 2 && isNumber(parts[0]) && (1...2).contains(parts[1].count)
            && parts[1].allSatisfy { $0.wholeNumberValue == 0 }
    }

    /// Splits `1.5×10^19` and `1.5×10¹⁹` into mantissa and exponent.
    private static func power(_ text: String) -> (mantissa: Substring, exponent: String)? {
        guard let sign = text.firstIndex(where: { "×✕xX*".contains($0) }) else { return nil }
        let rest = text[sign...].dropFirst()
        guard rest.hasPrefix("10") else { return nil }
        let exponent = rest.dropFirst(2)
        if exponent.first == "^" { return (text[..<sign], String(exponent.dropFirst())) }
        let raised = exponent.compactMap { superscripts[$0] }
        return raised.count == exponent.count ? (text[..<sign], String(raised)) : nil
    }

    private static let superscripts = Dictionary(uniqueKeysWithValues: zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-"))

    /// Whether the text is a number with at most one decimal separator: `1.5`, `-2`, `.5`.
    private static func isMantissa(_ text: Substring) -> Bool {
        let numbers = text.drop(while: isSign).split(omittingEmptySubsequences: false, whereSeparator: isSeparator)
        return numbers.count <= 2 && numbers.allSatisfy(isDigits) && numbers.contains { !$0.isEmpty }
    }

    private static func isNumber(_ text: some StringProtocol) -> Bool { !text.isEmpty && isDigits(text) }

    private static func isDigits(_ text: some StringProtocol) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory == .decimalNumber }
    }

    private static func isSeparator(_ character: Character) -> Bool { ".,٫·．，".contains(character) }

    private static func isSign(_ character: Character) -> Bool { "-+\u{2212}＋－﹢﹣⁺⁻‐‑–".contains(character) }
}
