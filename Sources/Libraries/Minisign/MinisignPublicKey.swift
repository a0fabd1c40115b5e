internal import Crypto
internal import Runtime

/// A public key in minisign's format (https://jedisct1.github.io/minisign/): "Ed", an 8-byte key number, the key.
public struct MinisignPublicKey: Hashable, Sendable, CustomStringConvertible {
    static let algorithm = Array("Ed".utf8)

    /// 8 bytes; a signature names the key it was made with by them.
    public let number: [UInt8]
    /// 32 bytes.
    public let key: [UInt8]

    init(number: [UInt8], key: [UInt8]) { (self.number, self.key) = (number, key) }

    /// The base64 line of a .pub file.
    public init?(base64 line: some StringProtocol) {
        guard let bytes = Base64.decode(line), bytes.count == 42, bytes.starts(with: MinisignPublicKey.algorithm) else {
            return nil
        }
        self.init(number: Array(bytes[2..<10]), key: Array(bytes[10...]))
    }

    /// What `--trust-key` takes: the base64 line itself, or the path of a .pub file. Throws `ProgramError` (configuration).
    public init(_ setting: String) throws {
        if let key = MinisignPublicKey(base64: setting) {
            self = key
            return
        }
        let text: String
        do { text = try Files.readText(setting, limit: 4_096) } catch {
            throw ProgramError.configuration(
                "trust key '\(setting)' is neither a minisign public key (56 characters of base64) nor a file: \(error)"
            )
        }
        let lines = text.split(whereSeparator: \.isNewline)
        // The comment line may be missing, as in a file made of the line alone.
        guard let line = lines.last, lines.count <= 2, let key = MinisignPublicKey(base64: line.trimmed) else {
            throw ProgramError.configuration("\(setting) is not a minisign public key")
        }
        self = key
    }

    /// The base64 line.
    public var base64: String { Base64.encode(MinisignPublicKey.algorithm + number + key) }

    /// As minisign writes it: the number as an integer, in hexadecimal.
    public var id: String { MinisignPublicKey.id(of: number) }
    static func id(of number: [UInt8]) -> String { Hex.encode(number.reversed()).uppercased() }

    /// The whole .pub file.
    public var file: String { "untrusted comment: minisign public key \(id)\n\(base64)\n" }

    public var description: String { base64 }
}

extension StringProtocol {
    /// Without blanks and line ends on either side.
    var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
