/// AES-CMAC (RFC 4493, NIST SP 800-38B). Both subkeys are made once, at `init`.
///
/// Written on AES-CBC instead of taken from libcrypto, because the key diversification of AN10922 needs the subkeys with a
/// padding of its own.
package struct CMAC: Sendable {
    /// Bytes of a MAC.
    package static let length = AES128.length

    private let cipher: AES128
    /// For a last block that is whole.
    private let whole: [UInt8]
    /// For a last block that was padded.
    private let padded: [UInt8]

    package init(_ cipher: AES128) {
        self.cipher = cipher
        whole = CMAC.doubled(cipher.encrypt(block: [UInt8](repeating: 0, count: AES128.length)))
        padded = CMAC.doubled(whole)
    }

    /// 16 bytes.
    package func authenticate(_ message: [UInt8]) -> [UInt8] { mac(message, atLeast: AES128.length) }

    /// A key for one chip out of a master key (NXP AN10922, AES-128): the CMAC over the constant 01 and `input`, which is
    /// padded to two blocks even where one would do.
    ///
    /// - Parameters:
    ///   - master: the key that is never on a chip.
    ///   - input: 1 to 31 bytes, different for each chip: its UID, and perhaps what names application and system.
    package static func diversifiedKey(of master: AES128, input: [UInt8]) -> AES128 {
        precondition((1..<2 * AES128.length).contains(input.count))
        let key = CMAC(master).mac([0x01] + input, atLeast: 2 * AES128.length)
        return AES128(key: key)!
    }

    /// - Parameter length: whole blocks, to which a shorter message is padded.
    private func mac(_ message: [UInt8], atLeast length: Int) -> [UInt8] {
        var text = message
        var subkey = whole
        if text.count < length || !text.count.isMultiple(of: AES128.length) {
            text.append(0x80)
            while text.count < length || !text.count.isMultiple(of: AES128.length) { text.append(0) }
            subkey = padded
        }
        let last = text.count - AES128.length
        for index in 0..<AES128.length { text[last + index] ^= subkey[index] }
        return Array(cipher.encrypt(text).suffix(AES128.length))
    }

    /// Times x in GF(2^128), without a branch on what is secret.
    private static func doubled(_ block: [UInt8]) -> [UInt8] {
        var result = block
        for index in 0..<AES128.length {
            let next = index + 1 < AES128.length ? block[index + 1] >> 7 : 0
            result[index] = block[index] << 1 | next
        }
        result[AES128.length - 1] ^= 0x87 & (0 &- block[0] >> 7)
        return result
    }
}
