import Crypto

/// A public key in minisign's format (https://jedisct1.github.io/minisign/): "Ed", an 8-byte key number, the key.
package struct MinisignPublicKey: Hashable, Sendable, CustomStringConvertible {
    static let algorithm = Array("Ed".utf8)

    /// Key number, 8 bytes. A signature contains the number of its key.
    package let number: [UInt8]
    /// Ed25519 public key, 32 bytes.
    package let key: [UInt8]

    init(number: [UInt8], key: [UInt8]) {
        self.number = number
        self.key = key
    }

    /// Parses the base64 line of a .pub file; `nil` for any other text.
    package init?(base64 line: some StringProtocol) {
        guard let bytes = Base64.decode(line), bytes.count == 42, bytes.starts(with: MinisignPublicKey.algorithm) else {
            return nil
        }
        self.init(number: Array(bytes[2..<10]), key: Array(bytes[10...]))
    }

    /// Parses a .pub file: the base64 line, alone or after a comment line; `nil` for any other text.
    package init?(file text: some StringProtocol) {
        let lines = text.split(whereSeparator: \.isNewline)
        guard let line = lines.last, lines.count <= 2 else { return nil }
        self.init(base64: line.trimmed)
    }

    /// The base64 line.
    package var base64: String { Base64.encode(MinisignPublicKey.algorithm + number + key) }

    /// Key ID as minisign displays it: the number as a little-endian integer, in hexadecimal.
    package var id: String { MinisignPublicKey.id(of: number) }
    /// Returns the key ID of a key number.
    package static func id(of number: [UInt8]) -> String { Hex.encode(number.reversed()).uppercased() }

    /// The text of the .pub file.
    package var file: String { "untrusted comment: minisign public key \(id)\n\(base64)\n" }

    /// The base64 line.
    package var description: String { base64 }
}

extension StringProtocol {
    /// The text without leading and trailing white space.
    var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
