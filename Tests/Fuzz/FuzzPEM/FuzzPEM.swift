import Certificates
import Crypto
import FuzzDriver

/// Certificates and private keys in PEM. The input is also tried as the binary content of a PEM text.
@main enum FuzzPEM {
    static func main() {
        fuzz { bytes in
            certificate(bytes)
            certificate(text(bytes, "CERTIFICATE"))
            key(bytes)
            for label in ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] { key(text(bytes, label)) }
        }
    }

    private static func text(_ bytes: [UInt8], _ label: String) -> [UInt8] {
        var lines = "-----BEGIN \(label)-----\n"
        // 48 bytes are a line of 64 characters.
        for start in stride(from: 0, to: bytes.count, by: 48) {
            lines += Base64.encode(bytes[start..<min(start + 48, bytes.count)]) + "\n"
        }
        return Array((lines + "-----END \(label)-----\n").utf8)
    }

    private static func certificate(_ pem: [UInt8]) {
        guard let certificate = try? Certificate(pem: pem) else { return }
        _ = certificate.expiresS
        _ = certificate.isAuthority
        _ = certificate.isValid(forHost: "center.example")
        _ = try? certificate.pem()
        guard let pin = try? certificate.keyFingerprint() else { return }
        precondition((try? CertificateKey.fingerprint(pem: pem)) == pin, "two fingerprints of one key")
    }

    private static func key(_ pem: [UInt8]) {
        guard let key = try? PrivateKey(pem: pem), let again = try? key.pem() else { return }
        precondition((try? PrivateKey(pem: again)) != nil, "a key is not read again")
    }
}
