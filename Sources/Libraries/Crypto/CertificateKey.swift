import CCrypto

/// The public key of an X.509 certificate, as programs pin it.
package enum CertificateKey {
    /// Computes the fingerprint of the first certificate in a PEM text: SHA-256 of its SubjectPublicKeyInfo (RFC 7469
    /// section 2.4).
    ///
    /// A renewed certificate with the same key has the same fingerprint.
    ///
    /// - Parameter pem: the text of the file.
    /// - Returns: 32 bytes.
    /// - Throws: `CryptoError` if the text has no certificate.
    package static func fingerprint(pem: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let certificate = pem.withUnsafeBytes(first) else { throw CryptoError("read certificate") }
        defer { X509_free(certificate) }
        let key = X509_get_X509_PUBKEY(certificate)
        let count = i2d_X509_PUBKEY(key, nil)
        guard count > 0 else { throw CryptoError("read public key of certificate") }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            var position: UnsafeMutablePointer<UInt8>? = buffer.baseAddress
            return i2d_X509_PUBKEY(key, &position)
        }
        guard written == count else { throw CryptoError("read public key of certificate") }
        return SHA256.hash(bytes)
    }

    /// Parses the first certificate; the caller frees it.
    private static func first(_ pem: UnsafeRawBufferPointer) -> OpaquePointer? {
        let memory = BIO_new_mem_buf(pem.baseAddress, Int32(clamping: pem.count))
        defer { BIO_free(memory) }
        return PEM_read_bio_X509(memory, nil, nil, nil)
    }
}
