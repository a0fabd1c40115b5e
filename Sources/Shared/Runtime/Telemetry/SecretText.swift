/// Secrets in texts: passwords in URLs, as `scheme://USER:PASSWORD@HOST` or `?password=...`, and enrolment tokens.
package enum SecretText {
    /// Returns whether the value of an option for secrets is one: every value but a URL without a password.
    package static func isSecret(_ value: String) -> Bool {
        let bytes = Array(value.utf8)
        guard bytes.firstRange(of: Array(authorityMark)) != nil else { return !value.isEmpty }
        return !secrets(in: bytes).isEmpty
    }

    /// Returns whether a word is an enrolment token, `TAPLINE1:` and what follows, complete or not.
    package static func isEnrolmentToken(_ word: String) -> Bool { beginsToken(Array(word.utf8)[...]) }

    /// Returns a text with `***` for each user with a password, each password in a query, and each enrolment token.
    ///
    /// A safety net for logs. The authors of messages leave secrets out.
    package static func redacted(_ text: String) -> String {
        guard text.utf8.contains(where: { [UInt8(ascii: "@"), UInt8(ascii: "="), UInt8(ascii: ":")].contains($0) })
        else { return text }
        let bytes = Array(text.utf8)
        let secrets = secrets(in: bytes)
        guard !secrets.isEmpty else { return text }
        var out: [UInt8] = []
        var end = 0
        for secret in secrets {
            out += bytes[end..<secret.lowerBound] + Array("***".utf8)
            end = secret.upperBound
        }
        return String(decoding: out + bytes[end...], as: UTF8.self)
    }

    private static let authorityMark = "://".utf8
    /// Parameters of libpq's URLs that hold a secret: `password`, `sslpassword`.
    private static let parameterMark = "password=".utf8
    /// Beginning of an enrolment token, in lower case. Readers accept either case.
    private static let tokenMark = "tapline1:".utf8

    /// Whether bytes begin with the mark of a token and the first character of its secret.
    private static func beginsToken(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.dropFirst(tokenMark.count).first, isLetterOrDigit(first) else { return false }
        return zip(bytes, tokenMark).allSatisfy { $0 | 0x20 == $1 }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    /// The ranges of secrets, in order.
    private static func secrets(in bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var at = 0
        while at < bytes.count {
            let rest = bytes[at...]
            if rest.starts(with: authorityMark) {
                let start = at + authorityMark.count
                // Up to the last `@`: a password may hold one, or a slash, although it should be percent-encoded.
                let word = bytes[start...].prefix { !isEnd($0) }
                if let at = word.lastIndex(of: UInt8(ascii: "@")), word[..<at].contains(UInt8(ascii: ":")) {
                    found.append(start..<at)
                }
                at = found.last.map { max(start, $0.upperBound) } ?? start
            } else if rest.starts(with: parameterMark) {
                let start = at + parameterMark.count
                let value = bytes[start...].prefix { !isEnd($0) && $0 != UInt8(ascii: "&") }
                if !value.isEmpty { found.append(value.startIndex..<value.endIndex) }
                at = max(value.endIndex, start)
            } else if beginsToken(rest) {
                let start = at + tokenMark.count
                let value = bytes[start...].prefix { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
                found.append(value.startIndex..<value.endIndex)
                at = value.endIndex
            } else {
                at += 1
            }
        }
        return found
    }

    /// Whether a byte ends a URL within a sentence: a blank, a quote, a control, an angle bracket.
    private static func isEnd(_ byte: UInt8) -> Bool {
        byte <= 0x20 || [UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">")].contains(byte)
    }
}
