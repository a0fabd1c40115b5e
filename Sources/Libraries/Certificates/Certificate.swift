import CCrypto
import Glibc

/// An X.509 certificate. Confined to one thread.
package final class Certificate {
    let handle: OpaquePointer

    /// Takes the ownership of the handle.
    init(owning handle: OpaquePointer) { self.handle = handle }

    /// Reads the first certificate of a text: that of the server, in a chain.
    ///
    /// - Parameter pem: PEM text.
    /// - Throws: `CertificateError`.
    package init(pem: [UInt8]) throws(CertificateError) {
        handle = try PEM.parse(pem, "not a certificate in PEM") { PEM_read_bio_X509($0, nil, nil, nil) }
    }

    deinit { X509_free(handle) }

    /// Returns the certificate as PEM text.
    ///
    /// - Throws: `CertificateError`.
    package func pem() throws(CertificateError) -> [UInt8] {
        try PEM.text("write a certificate") { PEM_write_bio_X509($0, handle) }
    }

    /// Whether the key is that of the certificate.
    package func belongs(to key: PrivateKey) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_private_key(handle, key.handle) == 1
    }

    /// The end of validity, in seconds since 1970.
    package var expiresS: Int64 {
        var time = tm()
        guard ASN1_TIME_to_tm(X509_get0_notAfter(handle), &time) == 1 else { return 0 }
        return Int64(timegm(&time))
    }

    /// Whether the certificate may issue others.
    package var isAuthority: Bool { X509_check_ca(handle) >= 1 }

    /// Whether the certificate is valid for a host name, by the rules of a TLS client.
    package func isValid(forHost name: String) -> Bool { X509_check_host(handle, name, 0, 0, nil) == 1 }

    /// SHA-256 of the public key in its DER form with the algorithm (SubjectPublicKeyInfo): 32 bytes.
    ///
    /// It stays the same when a certificate is renewed with its key. `curl --pinnedpubkey` uses it too.
    ///
    /// - Throws: `CertificateError`.
    package func keyFingerprint() throws(CertificateError) -> [UInt8] {
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(handle), nil)
        guard count > 0 else { throw .failed("read a public key") }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        bytes.withUnsafeMutableBufferPointer { buffer in
            var next = buffer.baseAddress
            i2d_X509_PUBKEY(X509_get_X509_PUBKEY(handle), &next)
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil) == 1 else {
            throw .failed("hash a public key")
        }
        return digest
    }
}
