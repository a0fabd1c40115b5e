import CCrypto

/// scrypt (RFC 7914): a key from a password, at a chosen price.
package enum Scrypt {
    /// Most memory a call may ask for: 1 GiB for the table and a little for the rest, what minisign's own keys need.
    static let memoryLimitBytes: UInt64 = 1 << 30 + 64 << 20

    /// - Parameters:
    ///   - n: cost, a power of two; memory is 128 * n * r bytes.
    ///   - r: block size.
    ///   - p: parallelism.
    ///   - length: bytes of the key.
    ///
    /// Throws `CryptoError` for parameters that cannot be or that need over 1 GiB.
    package static func derive(
        password: [UInt8], salt: [UInt8], n: UInt64, r: UInt64, p: UInt64, length: Int
    ) throws(CryptoError) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: length)
        // An empty password is one too, but needs an address.
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
