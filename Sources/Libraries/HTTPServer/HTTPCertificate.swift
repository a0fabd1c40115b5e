import Glibc

/// Certificate and private key of a TLS server.
package struct HTTPCertificate: Sendable, Equatable {
    /// The certificate, followed by those of intermediate authorities: PEM text.
    let chain: [UInt8]
    /// The private key, PEM text without a password.
    let key: [UInt8]

    /// Creates a pair. It is not checked: a pair that does not fit fails at the start of the server.
    ///
    /// - Parameters:
    ///   - chain: PEM text of the certificate, followed by those of intermediate authorities.
    ///   - key: PEM text of its private key.
    package init(chain: [UInt8], key: [UInt8]) {
        self.chain = chain
        self.key = key
    }
}

/// The PEM texts of a certificate as C strings, as long as a daemon may read them.
final class CertificateText: @unchecked Sendable {
    // Sendable: constant after init.
    let chain: UnsafeMutablePointer<CChar>
    let key: UnsafeMutablePointer<CChar>
    private let keyLength: Int

    init(_ certificate: HTTPCertificate) {
        func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
            let text = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
            for (index, byte) in bytes.enumerated() { text[index] = CChar(bitPattern: byte) }
            text[bytes.count] = 0
            return text
        }
        chain = copy(certificate.chain)
        key = copy(certificate.key)
        keyLength = certificate.key.count
    }

    deinit {
        explicit_bzero(key, keyLength)
        chain.deallocate()
        key.deallocate()
    }
}
