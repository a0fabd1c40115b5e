import CCrypto

/// Ed25519 signatures (RFC 8032) by libcrypto.
package enum Ed25519 {
    /// Size of a private key's seed, in bytes.
    package static let seedLength = 32
    /// Size of a public key, in bytes.
    package static let publicKeyLength = 32
    /// Size of a signature, in bytes.
    package static let signatureLength = 64

    /// Derives the public key of a seed.
    ///
    /// - Parameter seed: 32 bytes.
    /// - Returns: 32 bytes.
    /// - Throws: `CryptoError`.
    package static func publicKey(ofSeed seed: [UInt8]) throws(CryptoError) -> [UInt8] {
        let key = try Key(seed: seed)
        defer { withExtendedLifetime(key) {} }
        var bytes = [UInt8](repeating: 0, count: publicKeyLength)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key.handle, &bytes, &count) == 1, count == publicKeyLength else {
            throw CryptoError("read Ed25519 public key")
        }
        return bytes
    }

    /// Signs a message.
    ///
    /// - Parameters:
    ///   - message: the bytes to sign.
    ///   - seed: seed of the private key, 32 bytes.
    /// - Returns: the signature, 64 bytes.
    /// - Throws: `CryptoError`.
    package static func sign(_ message: [UInt8], seed: [UInt8]) throws(CryptoError) -> [UInt8] {
        let key = try Key(seed: seed)
        defer { withExtendedLifetime(key) {} }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: signatureLength)
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, nil, nil, key.handle) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1, count == signatureLength
        else { throw CryptoError("sign") }
        return signature
    }

    /// Verifies a signature.
    ///
    /// - Parameters:
    ///   - signature: the signature.
    ///   - message: the signed bytes.
    ///   - publicKey: the public key.
    /// - Returns: whether the signature is valid; `false` for a key or a signature of the wrong length.
    package static func verify(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureLength, publicKey.count == publicKeyLength,
            let key = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, publicKey, publicKey.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        // A failed verification leaves its reason in the thread's error queue.
        defer { ERR_clear_error() }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    /// Keep the object alive while libcrypto uses the handle.
    private final class Key {
        let handle: OpaquePointer
        init(seed: [UInt8]) throws(CryptoError) {
            guard seed.count == seedLength,
                let key = EVP_PKEY_new_raw_private_key_ex(nil, "ED25519", nil, seed, seed.count)
            else { throw CryptoError("load Ed25519 private key") }
            handle = key
        }
        deinit { EVP_PKEY_free(handle) }
    }
}
