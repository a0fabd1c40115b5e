/// Base32 without padding (RFC 4648 section 6). Its letters and digits fit the dense mode of QR codes. A keyboard scanner
/// may change their case.
package enum Base32 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    /// Encodes bytes.
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        var (held, bits): (UInt32, UInt32) = (0, 0)
        for byte in bytes {
            held = held << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                out.append(digits[Int(held >> bits & 31)])
            }
            held &= 1 << bits - 1
        }
        if bits > 0 { out.append(digits[Int(held << (5 - bits) & 31)]) }
        return String(decoding: out, as: UTF8.self)
    }

    /// Decodes a text of letters of either case and digits.
    ///
    /// - Returns: the bytes; `nil` unless the text is the encoding of whole bytes, with zeros as unused bits.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var out: [UInt8] = []
        var (held, bits): (UInt32, UInt32) = (0, 0)
        for byte in text.utf8 {
            let upper = (97...122).contains(byte) ? byte - 32 : byte
            let value: UInt8
            switch upper {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = upper - UInt8(ascii: "A")
            case UInt8(ascii: "2")...UInt8(ascii: "7"): value = upper - UInt8(ascii: "2") + 26
            default: return nil
            }
            held = held << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: held >> bits))
            }
            held &= 1 << bits - 1
        }
        return bits < 5 && held == 0 ? out : nil
    }
}
