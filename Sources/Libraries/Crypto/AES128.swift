import CCrypto

/// AES with a 128-bit key (FIPS 197), by libcrypto: single blocks, and CBC mode without padding (NIST SP 800-38A).
package struct AES128: Sendable {
    /// Size of a key and of a block, in bytes.
    package static let length = 16
    private static let zeros = [UInt8](repeating: 0, count: length)

    private let key: [UInt8]

    /// Creates a cipher; `nil` unless the key has exactly 16 bytes.
    package init?(key: [UInt8]) {
        guard key.count == AES128.length else { return nil }
        self.key = key
    }

    /// Encrypts one block of 16 bytes (ECB).
    package func encrypt(block: [UInt8]) -> [UInt8] {
        precondition(block.count == AES128.length)
        return run(block, AES128.zeros, encrypting: true)
    }

    /// Encrypts in CBC mode.
    ///
    /// - Parameters:
    ///   - bytes: whole blocks.
    ///   - iv: initialization vector, 16 bytes; zeros by default.
    /// - Returns: as many bytes.
    package func encrypt(_ bytes: [UInt8], iv: [UInt8]? = nil) -> [UInt8] {
        run(bytes, iv ?? AES128.zeros, encrypting: true)
    }

    /// Decrypts in CBC mode.
    ///
    /// - Parameters:
    ///   - bytes: whole blocks.
    ///   - iv: initialization vector, 16 bytes; zeros by default.
    /// - Returns: as many bytes.
    package func decrypt(_ bytes: [UInt8], iv: [UInt8]? = nil) -> [UInt8] {
        run(bytes, iv ?? AES128.zeros, encrypting: false)
    }

    /// Runs CBC. A single block with a zero IV gives the same result as ECB.
    private func run(_ bytes: [UInt8], _ iv: [UInt8], encrypting: Bool) -> [UInt8] {
        precondition(bytes.count.isMultiple(of: AES128.length) && iv.count == AES128.length)
        // libcrypto interprets a buffer without an address differently.
        if bytes.isEmpty { return [] }
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            var length: Int32 = 0
            // Fails only if libcrypto has no AES or no memory; the program must not continue then.
            precondition(
                EVP_CipherInit_ex(context, EVP_aes_128_cbc(), nil, key, iv, encrypting ? 1 : 0) == 1
                    && EVP_CIPHER_CTX_set_padding(context, 0) == 1
                    && EVP_CipherUpdate(context, buffer.baseAddress, &length, bytes, Int32(bytes.count)) == 1
                    && Int(length) == bytes.count,
                "AES-128")
            count = bytes.count
        }
    }
}
