import CCrypto

/// AES with a 128-bit key (FIPS 197), in blocks and in CBC mode without padding (NIST SP 800-38A), by libcrypto.
package struct AES128: Sendable {
    /// Bytes of a key, and of a block.
    package static let length = 16
    private static let zeros = [UInt8](repeating: 0, count: length)

    private let key: [UInt8]

    /// Nil unless there are exactly 16 bytes.
    package init?(key: [UInt8]) {
        guard key.count == AES128.length else { return nil }
        self.key = key
    }

    /// One block of 16 bytes alone (ECB).
    package func encrypt(block: [UInt8]) -> [UInt8] {
        precondition(block.count == AES128.length)
        return run(block, AES128.zeros, encrypting: true)
    }

    /// - Parameters:
    ///   - bytes: whole blocks.
    ///   - iv: 16 bytes; zeros unless given.
    package func encrypt(_ bytes: [UInt8], iv: [UInt8]? = nil) -> [UInt8] {
        run(bytes, iv ?? AES128.zeros, encrypting: true)
    }

    /// - Parameters:
    ///   - bytes: whole blocks.
    ///   - iv: 16 bytes; zeros unless given.
    package func decrypt(_ bytes: [UInt8], iv: [UInt8]? = nil) -> [UInt8] {
        run(bytes, iv ?? AES128.zeros, encrypting: false)
    }

    /// A single block under CBC with a zero IV is that block under ECB, so one mode serves all.
    private func run(_ bytes: [UInt8], _ iv: [UInt8], encrypting: Bool) -> [UInt8] {
        precondition(bytes.count.isMultiple(of: AES128.length) && iv.count == AES128.length)
        // libcrypto takes an empty buffer without address for a call of another kind.
        if bytes.isEmpty { return [] }
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            var length: Int32 = 0
            // It fails only when libcrypto has no AES or no memory; nothing may go on then.
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
