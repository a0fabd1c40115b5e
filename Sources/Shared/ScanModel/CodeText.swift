import TextRules

/// Whether codes that differ only in the case of letters are one code. A property of the event.
package enum CodeCase: String, CaseIterable, Hashable, Sendable {
    /// Different codes.
    case exact
    /// One code: A to Z count as a to z. Other letters stay as they are.
    case fold
}

/// The text of a code in its normal form, which registration lists and code scanners share (contract.md section 2).
///
/// The normal form has no blanks and no invisible characters at its ends. It begins with no prefix that a scanner adds:
/// an AIM symbology identifier (ISO/IEC 15424), such as `]Q1`, or an ECI designator, such as `\000026`. It has 1 to
/// `limitBytes` bytes of UTF-8, and no invisible character. Letters keep their case and their composition.
package struct CodeText: Hashable, Sendable, CustomStringConvertible {
    /// Maximum length in bytes. QR codes on badges have a few dozen.
    package static let limitBytes = 256

    /// The normal form.
    package let text: String

    /// Brings a text into the normal form. The normal form of a normal form is the same text.
    ///
    /// - Throws: `CodeTextError` for a text that no normal form has.
    package init(_ raw: some StringProtocol) throws(CodeTextError) {
        var rest = CodeText.trimmed(String(raw).unicodeScalars[...])
        while let code = CodeText.afterPrefix(rest) { rest = CodeText.trimmed(code) }
        if let invisible = rest.first(where: \.isInvisible) { throw .invisible(invisible) }
        guard !rest.isEmpty else { throw .empty }
        let text = String(rest)
        guard text.utf8.count <= CodeText.limitBytes else { throw .tooLong(bytes: text.utf8.count) }
        self.text = text
    }

    private init(normal text: String) { self.text = text }

    /// The same code with A to Z as a to z, for `CodeCase.fold`.
    package var folded: CodeText {
        var folded = ""
        for scalar in text.unicodeScalars {
            let isCapital = ("A"..."Z").contains(scalar)
            folded.unicodeScalars.append(isCapital ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
        }
        return CodeText(normal: folded)
    }

    /// The normal form.
    package var description: String { text }

    // MARK: Marks of scanners

    private typealias Scalars = Substring.UnicodeScalarView

    private static func trimmed(_ scalars: Scalars) -> Scalars {
        var scalars = scalars
        while scalars.first?.isMargin == true { scalars.removeFirst() }
        while scalars.last?.isMargin == true { scalars.removeLast() }
        return scalars
    }

    /// Returns the text behind a prefix that a scanner adds; `nil` without one.
    private static func afterPrefix(_ scalars: Scalars) -> Scalars? {
        let head = Array(scalars.prefix(7))
        // AIM: `]`, the letter of the symbology, a modifier in hexadecimal.
        if head.count >= 3, head[0] == "]", head[1].isASCII, head[1].properties.isAlphabetic,
            head[2].isASCII, head[2].properties.isHexDigit
        {
            return scalars.dropFirst(3)
        }
        // ECI: a backslash and six digits. Character sets have numbers below 100.
        if head.count == 7, head.starts(with: "\\0000".unicodeScalars),
            head[5...].allSatisfy({ ("0"..."9").contains($0) })
        {
            return scalars.dropFirst(7)
        }
        return nil
    }
}

extension CodeText: ExpressibleByStringLiteral {
    /// Creates a code from a literal of the program, which must have a normal form.
    package init(stringLiteral literal: String) {
        do { try self.init(literal) } catch { preconditionFailure("'\(literal)' \(error)") }
    }
}

/// Why a text is no code. The description is the end of a sentence that begins with the text.
package enum CodeTextError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nothing is left without the marks of scanners.
    case empty
    case tooLong(bytes: Int)
    /// An invisible character within the code.
    case invisible(Unicode.Scalar)

    /// The rule that the text breaks, without the text.
    package var description: String {
        switch self {
        case .empty: "is empty, apart from blanks and the marks of scanners"
        case .tooLong(let bytes):
            "has \(bytes) bytes, but at most \(CodeText.limitBytes) are allowed: readers reject it"
        case .invisible(let scalar):
            "holds the invisible character \(scalar.codePoint), which readers reject: remove it from the code"
        }
    }
}
