import FileSystem
import TestSupport
import Testing

@testable import Certificates

/// Certificates of a site authority, judged by the tool `openssl`.
struct CertificateAuthorityTests {
    private let folder = TemporaryFolder("authority")
    private let authority: CertificateAuthority

    init() throws {
        authority = try CertificateAuthority(name: "Desert Festival", days: 30)
        try Files.writeAtomically(try authority.certificate.pem(), to: folder.file("ca.pem"))
    }

    private func write(_ certificate: Certificate) throws -> String {
        let path = folder.file("one.pem")
        try Files.writeAtomically(try certificate.pem(), to: path)
        return path
    }

    /// Returns whether openssl accepts a certificate for a purpose, and for a host name or an IP number.
    private func isAccepted(_ path: String, _ purpose: String, _ more: [String] = []) throws -> Bool {
        try Run.it(
            "openssl",
            ["verify", "-x509_strict", "-CAfile", folder.file("ca.pem"), "-purpose", purpose] + more + [path]
        ).end == .exit(0)
    }

    @Test func serverCertificateIsValidForItsNamesOnly() throws {
        let names = ["center.example", "*.gates.example"]
        let issued = try authority.issue("center", .server(names: names, addresses: ["10.0.0.5", "::1"]), days: 7)
        let path = try write(issued.certificate)
        #expect(try isAccepted(path, "sslserver"))
        #expect(try !isAccepted(path, "sslclient"))
        #expect(try isAccepted(path, "sslserver", ["-verify_hostname", "center.example"]))
        #expect(try isAccepted(path, "sslserver", ["-verify_hostname", "north.gates.example"]))
        #expect(try !isAccepted(path, "sslserver", ["-verify_hostname", "other.example"]))
        #expect(try isAccepted(path, "sslserver", ["-verify_ip", "10.0.0.5"]))
        #expect(try !isAccepted(path, "sslserver", ["-verify_ip", "10.0.0.6"]))
        #expect(issued.certificate.isValid(forHost: "center.example") && !issued.certificate.isAuthority)
        #expect(issued.certificate.belongs(to: issued.key) && !issued.certificate.belongs(to: authority.key))
    }

    @Test func clientCertificateNamesItsUser() throws {
        let issued = try authority.issue("gate-1", .client, days: 7)
        let path = try write(issued.certificate)
        #expect(try isAccepted(path, "sslclient"))
        #expect(try !isAccepted(path, "sslserver"))
        let subject = try Run.succeeding("openssl", ["x509", "-noout", "-subject", "-in", path]).lines
        #expect(subject == ["subject=CN = gate-1"])
    }

    @Test func certificateOfAnotherAuthorityIsRejected() throws {
        let other = try CertificateAuthority(name: "Desert Festival", days: 30)
        let issued = try other.issue("center", .server(names: ["center.example"], addresses: []), days: 7)
        #expect(try !isAccepted(try write(issued.certificate), "sslserver"))
    }

    /// An issued certificate may not issue others.
    @Test func issuedCertificateIsNoAuthority() throws {
        let issued = try authority.issue("center", .server(names: ["center.example"], addresses: []), days: 7)
        #expect(throws: CertificateError.self) {
            try CertificateAuthority(certificate: issued.certificate, key: issued.key)
        }
        #expect(throws: CertificateError.self) {
            try CertificateAuthority(certificate: authority.certificate, key: issued.key)
        }
    }

    @Test func serialNumbersDiffer() throws {
        var serials: Set<String> = []
        for _ in 0..<5 {
            let path = try write(try authority.issue("gate-1", .client, days: 1).certificate)
            serials.formUnion(try Run.succeeding("openssl", ["x509", "-noout", "-serial", "-in", path]).lines)
        }
        #expect(serials.count == 5)
    }

    @Test func validityEndsWithTheAuthority() throws {
        #expect(throws: CertificateError.self) { try authority.issue("gate-1", .client, days: 31) }
        let issued = try authority.issue("gate-1", .client, days: 29)
        #expect(issued.certificate.expiresS <= authority.certificate.expiresS)
    }

    @Test(
        arguments: [
            [""], ["a,DNS:b"], ["-a"], ["a..b"], ["a b"], ["a_b"], ["*"], ["a.*"], ["a\u{0}b"],
            [String(repeating: "a", count: 64)],
        ])
    func invalidHostNameIsRejected(names: [String]) {
        #expect(throws: CertificateError.self) {
            try authority.issue("center", .server(names: names, addresses: []), days: 1)
        }
    }

    @Test(arguments: ["", "10.0.0", "10.0.0.256", "1.2.3.4,DNS:b", "x", "::g"])
    func invalidAddressIsRejected(address: String) {
        #expect(throws: CertificateError.self) {
            try authority.issue("center", .server(names: [], addresses: [address]), days: 1)
        }
    }

    @Test func invalidCommonNameIsRejected() {
        for name in ["", String(repeating: "a", count: 65)] {
            #expect(throws: CertificateError.self) { try authority.issue(name, .client, days: 1) }
        }
        #expect(throws: CertificateError.self) {
            try authority.issue("center", .server(names: [], addresses: []), days: 1)
        }
    }

    @Test func keysAndCertificatesSurvivePEM() throws {
        let issued = try authority.issue("gate-1", .client, days: 1)
        let (certificate, key) = (
            try Certificate(pem: try issued.certificate.pem()), try PrivateKey(pem: try issued.key.pem())
        )
        #expect(certificate.belongs(to: key) && certificate.expiresS == issued.certificate.expiresS)
        for bytes in [[], Array("-----BEGIN CERTIFICATE-----".utf8), try issued.key.pem()] {
            #expect(throws: CertificateError.self) { try Certificate(pem: bytes) }
        }
        #expect(throws: CertificateError.self) { try PrivateKey(pem: try issued.certificate.pem()) }
    }

    /// Nothing asks for a password on the terminal.
    @Test func encryptedKeyIsRejected() throws {
        try Run.succeeding(
            "openssl",
            ["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", folder.file("locked.key")])
        let bytes = try Files.read(folder.file("locked.key"))
        let error = #expect(throws: CertificateError.self) { try PrivateKey(pem: bytes) }
        #expect(error?.description.contains("without a password") == true)
    }

    @Test func keyFingerprintIsThatOfOtherTools() throws {
        let issued = try authority.issue("gate-1", .client, days: 1)
        let path = try write(issued.certificate)
        let script = "openssl x509 -in \(path) -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum"
        let line = try Run.succeeding("sh", ["-c", script]).lines.first ?? ""
        let digest = try issued.certificate.keyFingerprint().map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        #expect(line.hasPrefix(digest))
    }
}
