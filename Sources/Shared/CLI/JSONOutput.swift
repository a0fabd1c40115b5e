import FoundationEssentials

/// Prints results as JSON, for `--output json`.
package enum JSONOutput {
    /// Encodes a value as one line, with sorted keys.
    ///
    /// - Throws: `EncodingError`, for values such as NaN.
    package static func line(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
