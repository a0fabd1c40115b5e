import CCrypto

/// Authenticated encryption by AES-256-GCM (NIST SP 800-38D), by libcrypto.
///
/// The nonce is zero, so a key must encrypt one message only. Callers derive a new key for each message.
enum AES256GCM {
    /// Size of a key, in bytes.
    static let keyLength = 32
    /// Size of the authentication tag at the end of a ciphertext, in bytes.
    static let tagLength = 16
    private static let nonce = [UInt8](repeating: 0, count: 12)

    /// Encrypts the only message of a key.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - key: 32 bytes.
    /// - Returns: the ciphertext, 16 bytes longer than the message.
    /// - Throws: `CryptoError`.
    static func seal(_ bytes: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        precondition(key.count == keyLength)
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        var out = [UInt8](repeating: 0, count: bytes.count + tagLength)
        var (length, last): (Int32, Int32) = (0, 0)
        var tag = [UInt8](repeating: 0, count: tagLength)
        guard EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1,
            EVP_EncryptUpdate(context, &out, &length, bytes, Int32(bytes.count)) == 1,
            EVP_EncryptFinal_ex(context, &tag, &last) == 1, Int(length) == bytes.count, last == 0,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), &tag) == 1
        else { throw CryptoError("encrypt") }
        out.replaceSubrange(bytes.count..., with: tag)
        return out
    }

    /// Decrypts a message.
    ///
    /// - Parameters:
    ///   - sealed: the ciphertext.
    ///   - key: 32 bytes.
    /// - Returns: the message; `nil` if the ciphertext was changed, or made with another key.
    static func open(_ sealed: [UInt8], key: [UInt8]) -> [UInt8]? {
        precondition(key.count == keyLength)
        guard sealed.count >= tagLength else { return nil }
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        // A failed check leaves its reason in the thread's error queue.
        defer { ERR_clear_error() }
        let ciphertext = Array(sealed.dropLast(tagLength))
        var tag = Array(sealed.suffix(tagLength))
        // One byte more, so that the buffer of an empty message has an address.
        var out = [UInt8](repeating: 0, count: ciphertext.count + 1)
        var (length, last): (Int32, Int32) = (0, 0)
        var rest = [UInt8](repeating: 0, count: tagLength)
        guard EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1,
            EVP_DecryptUpdate(context, &out, &length, ciphertext, Int32(ciphertext.count)) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagLength), &tag) == 1,
            EVP_DecryptFinal_ex(context, &rest, &last) == 1, Int(length) == ciphertext.count
        else { return nil }
        return Array(out.prefix(ciphertext.count))
    }
}
