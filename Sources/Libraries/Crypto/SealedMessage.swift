/// Encryption of one message to a public key, or under a secret that both sides know.
///
/// To a public key: X25519 with a new key pair for each message. Form: the new public key (32 bytes), then the ciphertext
/// of AES-256-GCM. The key of the cipher is HKDF-SHA-256(shared secret, salt: new public key + public key of the receiver,
/// info: purpose). Under a secret: the ciphertext alone, with HKDF-SHA-256(secret, no salt, info: purpose).
package enum SealedMessage {
    /// Encrypts a message to a public key.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - publicKey: X25519 key of the receiver, 32 bytes.
    ///   - purpose: a text that both sides know, so that a message cannot be taken for one of another purpose.
    /// - Throws: `CryptoError`, also for an unusable key.
    package static func seal(
        _ bytes: [UInt8], to publicKey: [UInt8], purpose: String
    ) throws(CryptoError) -> [UInt8] {
        let own = X25519.privateKey()
        let ownPublic = try X25519.publicKey(of: own)
        let shared = try X25519.sharedSecret(own, with: publicKey)
        let key = HKDF.derive(shared, salt: ownPublic + publicKey, info: purpose)
        return ownPublic + (try AES256GCM.seal(bytes, key: key))
    }

    /// Decrypts a message with the private key of the receiver.
    ///
    /// - Parameters:
    ///   - sealed: the encrypted message.
    ///   - privateKey: X25519 key, 32 bytes.
    ///   - purpose: the text of the sender.
    /// - Returns: the message; `nil` if it was changed, or is for another receiver or purpose.
    package static func open(_ sealed: [UInt8], with privateKey: [UInt8], purpose: String) -> [UInt8]? {
        guard sealed.count >= X25519.length else { return nil }
        let sender = Array(sealed.prefix(X25519.length))
        guard let own = try? X25519.publicKey(of: privateKey),
            let shared = try? X25519.sharedSecret(privateKey, with: sender)
        else { return nil }
        let key = HKDF.derive(shared, salt: sender + own, info: purpose)
        return AES256GCM.open(Array(sealed.dropFirst(X25519.length)), key: key)
    }

    /// Encrypts the only message of a secret and a purpose.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - secret: at least 16 random bytes, used for one message of each purpose.
    ///   - purpose: a text that both sides know.
    /// - Throws: `CryptoError`.
    package static func seal(_ bytes: [UInt8], secret: [UInt8], purpose: String) throws(CryptoError) -> [UInt8] {
        try AES256GCM.seal(bytes, key: HKDF.derive(secret, salt: [], info: purpose))
    }

    /// Decrypts a message of a secret and a purpose.
    ///
    /// - Returns: the message; `nil` if it was changed, or made with another secret or purpose.
    package static func open(_ sealed: [UInt8], secret: [UInt8], purpose: String) -> [UInt8]? {
        AES256GCM.open(sealed, key: HKDF.derive(secret, salt: [], info: purpose))
    }
}

/// Derivation of one 32-byte key by HKDF-SHA-256 (RFC 5869).
enum HKDF {
    static func derive(_ secret: [UInt8], salt: [UInt8], info: String) -> [UInt8] {
        let extracted = HMACSHA256(key: salt).authenticate(secret)
        return HMACSHA256(key: extracted).authenticate(Array(info.utf8) + [1])
    }
}
