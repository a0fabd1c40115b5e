/// Invisible characters of texts from outside: lists, command lines, code scanners.

extension Unicode.Scalar {
    /// Whether the character has no visible form, apart from the blank U+0020.
    ///
    /// Controls, line and paragraph separators, other blanks (U+00A0), and the characters that Unicode declares
    /// ignorable: zero-width characters, direction marks, variation selectors.
    package var isInvisible: Bool {
        switch value {
        case 0x20..<0x7F: false
        // Annotation marks and the empty Braille pattern.
        case 0xFFF9...0xFFFB, 0x2800: true
        default:
            switch properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .spaceSeparator: true
            default: properties.isDefaultIgnorableCodePoint
            }
        }
    }

    /// Whether the character can end a line or command a terminal: a control, a line or paragraph separator.
    package var isControl: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// Whether the character is no part of a text at its ends.
    ///
    /// Blanks and invisible characters. Of the controls, only those with which scanners frame a code: CR, LF, TAB, STX,
    /// ETX. Any other control means that the text is damaged, or that a code has several fields (GS).
    package var isMargin: Bool {
        switch value {
        case 0x02, 0x03, 0x09, 0x0A, 0x0D, 0x20: true
        case 0..<0x20, 0x7F..<0xA0: false
        default: isInvisible
        }
    }

    /// The number of the character as in the tables of Unicode: `U+200B`.
    package var codePoint: String {
        let hex = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
    }
}

extension String {
    /// The text without blanks and invisible characters at both ends, as `Unicode.Scalar.isMargin` has them.
    package var trimmingInvisible: String {
        guard let start = unicodeScalars.firstIndex(where: { !$0.isMargin }),
            let last = unicodeScalars.lastIndex(where: { !$0.isMargin })
        else { return "" }
        return String(unicodeScalars[start...last])
    }

    /// The first invisible character that no script needs; `nil` without one.
    ///
    /// Joiners and variation selectors form words and signs behind a character that is not ASCII.
    package var strayInvisible: Unicode.Scalar? {
        var last: Unicode.Scalar = " "
        for scalar in unicodeScalars where scalar.isInvisible || !scalar.isASCII || !last.isASCII {
            let isJoiner = [0x200C, 0x200D, 0xFE0E, 0xFE0F].contains(scalar.value)
            if scalar.isInvisible, !isJoiner || last.isASCII { return scalar }
            last = scalar
        }
        return nil
    }

    /// The text for a message: each invisible character as `\u{200B}`, except line feeds.
    package var visible: String { visible(except: "\n") }

    /// The text for a place within a line: each invisible character as `\u{200B}`, line feeds as `\u{A}`.
    package var visibleInLine: String { visible(except: nil) }

    private func visible(except kept: Unicode.Scalar?) -> String {
        guard unicodeScalars.contains(where: { $0 != kept && $0.isInvisible }) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if scalar != kept, scalar.isInvisible {
                text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
