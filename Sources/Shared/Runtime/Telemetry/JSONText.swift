import TextRules

/// Quoting for JSON that is built as text: log lines and verdict lines, for which an encoder would be too slow.
package enum JSONText {
    /// Returns a text as a JSON string with its quotes. Invisible characters are escaped, because a log or a verdict line
    /// may be read on a terminal.
    package static func quote(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case let control where control.value < 0x20: out += escaped(control)
            default: append(scalar, to: &out)
            }
        }
        return out + "\""
    }

    /// Returns a JSON text with the same values, in which no string holds an invisible character as it is.
    ///
    /// - Parameter json: a valid JSON text. Its strings hold no controls below U+0020.
    package static func escapingInvisible(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: mustBeEscaped) else { return json }
        var out = ""
        for scalar in json.unicodeScalars { append(scalar, to: &out) }
        return out
    }

    private static func append(_ scalar: Unicode.Scalar, to out: inout String) {
        if mustBeEscaped(scalar) { out += escaped(scalar) } else { out.unicodeScalars.append(scalar) }
    }

    /// Whether a character is invisible, apart from those of ASCII, which JSON has its own rule for.
    private static func mustBeEscaped(_ scalar: Unicode.Scalar) -> Bool { scalar.value >= 0x7F && scalar.isInvisible }

    /// The units of UTF-16 as `\u001b`.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        String(Character(scalar)).utf16.map { unit in
            let hex = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        }.joined()
    }
}
