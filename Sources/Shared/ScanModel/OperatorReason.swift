import TextRules

/// The reason that an operator gives for a command. The gate journals and logs it, and a scan batch carries it.
package enum OperatorReason {
    /// Maximum length in bytes of UTF-8, which contract.md section 4 has for notes.
    package static let limitBytes = 256

    /// Returns why a text is no reason.
    ///
    /// - Returns: the end of a sentence that begins with `the reason`; `nil` for a valid one.
    package static func problem(_ text: String) -> String? {
        let bytes = text.utf8.count
        if bytes > limitBytes { return "has \(bytes) bytes, but at most \(limitBytes) are allowed" }
        if text.allSatisfy(\.isWhitespace) { return "is empty" }
        // They could forge lines of the log.
        if text.unicodeScalars.contains(where: \.isControl) {
            return "holds a control character: write it in one line"
        }
        return nil
    }
}
