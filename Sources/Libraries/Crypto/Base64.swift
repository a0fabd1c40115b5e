import FoundationEssentials

/// Base64 with padding (RFC 4648 section 4).
package enum Base64 {
    /// Encodes bytes.
    package static func encode(_ bytes: some Sequence<UInt8>) -> String { Data(bytes).base64EncodedString() }

    /// Decodes a text.
    ///
    /// - Parameter text: the text.
    /// - Returns: the bytes; `nil` unless the text is their canonical encoding: with padding, without white space, and
    ///   with zeros as unused bits.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        guard let data = Data(base64Encoded: String(text)), data.base64EncodedString() == text else { return nil }
        return Array(data)
    }
}
