import CCrypto

/// The private key of a certificate. Confined to one thread.
package final class PrivateKey {
    let handle: OpaquePointer

    /// Makes a key on the curve P-256.
    ///
    /// - Throws: `CertificateError`.
    package init() throws(CertificateError) {
        guard let key = shim_new_p256_key() else { throw .failed("make a private key") }
        handle = key
    }

    /// Reads a key of any kind that libcrypto knows. An encrypted one is rejected, because nothing asks for passwords.
    ///
    /// - Parameter pem: PEM text.
    /// - Throws: `CertificateError`.
    package init(pem: [UInt8]) throws(CertificateError) {
        handle = try PEM.parse(pem, "not a private key without a password, in PEM") {
            // The default callback asks for a password on the terminal.
            PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil)
        }
    }

    deinit { EVP_PKEY_free(handle) }

    /// Returns the key as PEM text (PKCS #8), not encrypted.
    ///
    /// - Throws: `CertificateError`.
    package func pem() throws(CertificateError) -> [UInt8] {
        try PEM.text("write a private key") { PEM_write_bio_PKCS8PrivateKey($0, handle, nil, nil, 0, nil, nil) }
    }
}
