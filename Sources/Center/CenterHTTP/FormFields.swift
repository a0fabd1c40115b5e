import Crypto

/// The fields of a form (`application/x-www-form-urlencoded`), at most 16.
struct FormFields {
    private static let limit = 16
    private let fields: [String: String]

    /// Reads a body. Invalid UTF-8 is replaced.
    init(_ body: [UInt8]) {
        var fields: [String: String] = [:]
        for pair in body.split(separator: 38).prefix(FormFields.limit) {
            let parts = pair.split(separator: 61, maxSplits: 1, omittingEmptySubsequences: false)
            fields[FormFields.decode(parts[0])] = parts.count == 2 ? FormFields.decode(parts[1]) : ""
        }
        self.fields = fields
    }

    /// The value of a field; the last one of a repeated field.
    subscript(name: String) -> String? { fields[name] }

    /// Encodes a text for a query: all characters but unreserved ones (RFC 3986 section 2.3).
    static func encode(_ text: String, keeping kept: String = "") -> String {
        let digits = Array("0123456789ABCDEF")
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            let isUnreserved = character.isLetter || character.isNumber || "-._~".contains(character)
            if byte < 128, isUnreserved || kept.contains(character) {
                result.append(character)
            } else {
                result += ["%", digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }

    private static func decode(_ text: ArraySlice<UInt8>) -> String {
        var (bytes, rest) = ([UInt8](), text)
        while let byte = rest.popFirst() {
            switch byte {
            case 43: bytes.append(32)
            case 37:
                if let code = Hex.decode(String(decoding: rest.prefix(2), as: UTF8.self)), code.count == 1 {
                    bytes += code
                    rest = rest.dropFirst(2)
                } else {
                    bytes.append(byte)
                }
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
