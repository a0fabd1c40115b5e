/// Passwords in texts: in URLs, as `scheme://USER:PASSWORD@HOST` or `?password=...`.
package enum SecretText {
    /// Returns whether the value of an option for secrets is one: every value but a URL without a password.
    package static func isSecret(_ value: String) -> Bool {
        let bytes = Array(value.utf8)
        guard bytes.firstRange(of: Array(authorityMark)) != nil else { return !value.isEmpty }
        return !secrets(in: bytes).isEmpty
    }

    /// Returns a text with `***` for each user with a password, and for each password in a query.
    ///
    /// A safety net for logs. The authors of messages leave secrets out.
    package static func redacted(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "@")) || text.utf8.contains(UInt8(ascii: "=")) else { return text }
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
