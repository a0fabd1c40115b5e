import CCrypto

/// Key agreement by X25519 (RFC 7748), by libcrypto.
package enum X25519 {
    /// Size of a private key, of a public key and of a shared secret, in bytes.
    package static let length = 32

    /// Returns a new private key.
    package static func privateKey() -> [UInt8] { randomBytes(length) }

    /// Derives the public key of a private key.
    ///
    /// - Parameter privateKey: 32 bytes.
    /// - Returns: 32 bytes.
    /// - Throws: `CryptoError`.
    package static func publicKey(of privateKey: [UInt8]) throws(CryptoError) -> [UInt8] {
        let key = try Key(privateKey: privateKey)
        var bytes = [UInt8](repeating: 0, count: length)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key.handle, &bytes, &count) == 1, count == length else {
            throw CryptoError("read X25519 public key")
        }
        return bytes
    }

    /// Computes the secret that the owners of two keys share.
    ///
    /// - Parameters:
    ///   - privateKey: 32 bytes.
    ///   - publicKey: key of the peer, 32 bytes.
    /// - Returns: 32 bytes, which are never all zero. Derive keys from it, and do not use it as a key.
    /// - Throws: `CryptoError`, also for a public key of low order (RFC 7748 section 6.1).
    package static func sharedSecret(
        _ privateKey: [UInt8], with publicKey: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        let key = try Key(privateKey: privateKey)
        let peer = try Key(publicKey: publicKey)
        let context = EVP_PKEY_CTX_new(key.handle, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var bytes = [UInt8](repeating: 0, count: length)
        var count = bytes.count
        // libcrypto refuses a result of zeros.
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, peer.handle) == 1,
            EVP_PKEY_derive(context, &bytes, &count) == 1, count == length
        else { throw CryptoError("agree on a key") }
        return bytes
    }

    private final class Key {
        let handle: OpaquePointer

        init(privateKey: [UInt8]) throws(CryptoError) {
            guard privateKey.count == length,
                let key = EVP_PKEY_new_raw_private_key_ex(nil, "X25519", nil, privateKey, privateKey.count)
            else { throw CryptoError("load X25519 private key") }
            handle = key
        }

        init(publicKey: [UInt8]) throws(CryptoError) {
            guard publicKey.count == length,
                let key = EVP_PKEY_new_raw_public_key_ex(nil, "X25519", nil, publicKey, publicKey.count)
            else { throw CryptoError("load X25519 public key") }
            handle = key
        }

        deinit { EVP_PKEY_free(handle) }
    }
}
