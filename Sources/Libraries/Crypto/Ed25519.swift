import CCrypto

/// Ed25519 signatures (RFC 8032) by libcrypto.
package enum Ed25519 {
    /// Bytes of a private key's seed.
    package static let seedLength = 32
    /// Bytes of a public key.
    package static let publicKeyLength = 32
    /// Bytes of a signature.
    package static let signatureLength = 64

    /// The public key of a 32-byte seed. Throws `CryptoError`.
    package static func publicKey(ofSeed seed: [UInt8]) throws(CryptoError) -> [UInt8] {
        let key = try Key(seed: seed)
        var bytes = [UInt8](repeating: 0, count: publicKeyLength)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key.handle, &bytes, &count) == 1, count == publicKeyLength else {
            throw CryptoError("read Ed25519 public key")
        }
        return bytes
    }

    /// The 64-byte signature of `message`. Throws `CryptoError`.
    package static func sign(_ message: [UInt8], seed: [UInt8]) throws(CryptoError) -> [UInt8] {
        let key = try Key(seed: seed)
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: signatureLength)
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, nil, nil, key.handle) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1, count == signatureLength
        else { throw CryptoError("sign") }
        return signature
    }

    /// Whether `signature` is the key's over `message`; false for keys and signatures of the wrong length, too.
    package static func verify(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureLength, publicKey.count == publicKeyLength,
            let key = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, publicKey, publicKey.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        // What does not verify leaves its reason in the thread's error queue.
        defer { ERR_clear_error() }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

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
