import RegistrationLists
import TextRules

/// The rules for new names of the registry.
enum RegistryName {
    /// Checks a new name. Names that exist already keep their form.
    ///
    /// - Parameters:
    ///   - subject: what has the name: `zone`, `gate`, `event`.
    ///   - isListed: whether lists join such names with a semicolon.
    /// - Throws: `RegistryError.invalidName`.
    static func check(_ subject: String, _ name: String, isListed: Bool = false) throws {
        if let problem = problem(name, isListed) { throw RegistryError.invalidName(subject, name.visible, problem) }
    }

    /// Returns whether two names in the form NFKC differ at most in case, blanks and invisible characters.
    static func lookEqual(_ left: String, _ right: String) -> Bool {
        func letters(_ name: String) -> String {
            var text = String.UnicodeScalarView()
            text.append(contentsOf: name.uppercased().unicodeScalars.filter { $0 != " " && !$0.isInvisible })
            return String(text)
        }
        return letters(left) == letters(right)
    }

    /// Returns why a text is no name: the end of a sentence; `nil` if it is one.
    private static func problem(_ name: String, _ isListed: Bool) -> String? {
        let trimmed = name.trimmingInvisible
        if trimmed.isEmpty { return "is empty, apart from blanks and invisible characters" }
        // An emoji at the end can have a variation selector.
        if name != trimmed, name != trimmed + "\u{FE0F}" {
            return "has blanks or invisible characters at its ends: remove them"
        }
        if let stray = name.strayInvisible {
            return "holds the invisible character \(stray.codePoint): remove it"
        }
        if SpreadsheetText.isErrorValue(name) { return "is an error value of a spreadsheet: correct the formula" }
        if name.utf8.count > RegistrationRow.textLimitBytes {
            return "has \(name.utf8.count) bytes, but at most \(RegistrationRow.textLimitBytes) are allowed"
        }
        if isListed, let separator = name.first(where: RegistrationRow.isListSeparator) {
            return "contains '\(separator)', which separates names in imports"
        }
        return nil
    }
}
