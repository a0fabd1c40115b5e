import CCrypto

/// scrypt (RFC 7914): derives a key from a password, with adjustable cost.
package enum Scrypt {
    /// Maximum memory of a call, in bytes: 1 GiB for the table, as minisign's own keys need, and 64 MiB for the rest.
    static let memoryLimitBytes: UInt64 = 1 << 30 + 64 << 20

    /// Derives a key.
    ///
    /// - Parameters:
    ///   - password: the password; may be empty.
    ///   - salt: the salt.
    ///   - n: cost, a power of two; the memory is 128 * n * r bytes.
    ///   - r: block size.
    ///   - p: parallelism.
    ///   - length: size of the key, in bytes.
    /// - Returns: the key.
    /// - Throws: `CryptoError` for invalid parameters and for parameters that need over 1 GiB.
    package static func derive(
        password: [UInt8], salt: [UInt8], n: UInt64, r: UInt64, p: UInt64, length: Int
    ) throws(CryptoError) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: length)
        // An empty password is valid, but libcrypto needs an address.
        let text = password.isEmpty ? [0] : password
        let code = text.withUnsafeBytes { text in
            EVP_PBE_scrypt(
                text.bindMemory(to: CChar.self).baseAddress, password.count, salt, salt.count, n, r, p,
                memoryLimitBytes, &key, length)
        }
        guard code == 1 else { throw CryptoError("scrypt") }
        return key
    }
}
