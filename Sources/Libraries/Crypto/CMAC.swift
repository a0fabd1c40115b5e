/// AES-CMAC (RFC 4493, NIST SP 800-38B). `init` derives both subkeys.
///
/// Implemented on AES-CBC instead of libcrypto's CMAC, because the key diversification of AN10922 needs the subkeys
/// with a different padding.
package struct CMAC: Sendable {
    /// Size of a MAC, in bytes.
    package static let length = AES128.length

    private let cipher: AES128
    /// Subkey for a complete last block.
    private let whole: [UInt8]
    /// Subkey for a padded last block.
    private let padded: [UInt8]

    /// Derives both subkeys from the cipher with the secret key.
    package init(_ cipher: AES128) {
        self.cipher = cipher
        whole = CMAC.doubled(cipher.encrypt(block: [UInt8](repeating: 0, count: AES128.length)))
        padded = CMAC.doubled(whole)
    }

    /// Computes the MAC of a message, 16 bytes.
    package func authenticate(_ message: [UInt8]) -> [UInt8] { mac(message, atLeast: AES128.length) }

    /// Derives the key of one chip from a master key (NXP AN10922, AES-128).
    ///
    /// The key is the CMAC of the constant 01 and `input`, always padded to two blocks.
    ///
    /// - Parameters:
    ///   - master: the master key, which is never stored on a chip.
    ///   - input: diversification input, 1 to 31 bytes, different for each chip: its UID, and optionally an application
    ///     and a system identifier.
    /// - Returns: the key of the chip.
    package static func diversifiedKey(of master: AES128, input: [UInt8]) -> AES128 {
        precondition((1..<2 * AES128.length).contains(input.count))
        let key = CMAC(master).mac([0x01] + input, atLeast: 2 * AES128.length)
        return AES128(key: key)!
    }

    /// - Parameter length: a multiple of the block size; a shorter message is padded to it.
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

    /// Multiplies by x in GF(2^128), without a branch on secret data.
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
