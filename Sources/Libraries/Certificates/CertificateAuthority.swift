import CCrypto

/// A certificate authority of one site: issues certificates on the curve P-256, signed with ECDSA and SHA-256.
package final class CertificateAuthority {
    /// What a certificate is for.
    package enum Purpose: Sendable, Hashable {
        /// TLS server with these host names and IP numbers, at least one in total.
        case server(names: [String], addresses: [String])
        /// TLS client. Its common name is the user, for RabbitMQ the broker user.
        case client
    }

    /// Clocks of devices may be behind by this time, in seconds: certificates are valid that much earlier.
    private static let backdatedS = 86_400
    /// Maximum length of a common name (RFC 5280, ub-common-name).
    package static let nameLimit = 64

    /// The certificate that clients trust.
    package let certificate: Certificate
    /// The key that signs.
    package let key: PrivateKey

    /// Makes an authority with a new key.
    ///
    /// - Parameters:
    ///   - name: its common name.
    ///   - days: validity, in days.
    /// - Throws: `CertificateError`.
    package init(name: String, days: Int) throws(CertificateError) {
        key = try PrivateKey()
        certificate = try CertificateAuthority.certificate(name, of: key, days: days)
        guard X509_set_issuer_name(certificate.handle, X509_get_subject_name(certificate.handle)) == 1 else {
            throw .failed("name the issuer")
        }
        try CertificateAuthority.extend(
            certificate, by: certificate,
            [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"), (NID_subject_key_identifier, "hash"),
            ])
        try CertificateAuthority.sign(certificate, with: key)
    }

    /// Opens an authority.
    ///
    /// - Parameters:
    ///   - certificate: its certificate.
    ///   - key: its key.
    /// - Throws: `CertificateError` if they do not belong together or may not issue certificates.
    package init(certificate: Certificate, key: PrivateKey) throws(CertificateError) {
        guard certificate.belongs(to: key) else {
            throw CertificateError("the key is not that of the certificate")
        }
        guard certificate.isAuthority else { throw CertificateError("the certificate is not that of an authority") }
        self.certificate = certificate
        self.key = key
    }

    /// Issues a certificate with a new key.
    ///
    /// - Parameters:
    ///   - name: its common name.
    ///   - purpose: what it is for.
    ///   - days: validity, in days.
    /// - Returns: the certificate and its key.
    /// - Throws: `CertificateError`, also for a name that is not a host name or an IP number.
    package func issue(
        _ name: String, _ purpose: Purpose, days: Int
    ) throws(CertificateError) -> (certificate: Certificate, key: PrivateKey) {
        let key = try PrivateKey()
        let issued = try CertificateAuthority.certificate(name, of: key, days: days)
        guard issued.expiresS <= certificate.expiresS else {
            throw CertificateError("the authority's certificate ends before \(days) days are over")
        }
        guard X509_set_issuer_name(issued.handle, X509_get_subject_name(certificate.handle)) == 1 else {
            throw .failed("name the issuer")
        }
        var extensions = [
            (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
            (NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always"),
        ]
        switch purpose {
        case .client: extensions.append((NID_ext_key_usage, "clientAuth"))
        case .server(let names, let addresses):
            extensions += [
                (NID_ext_key_usage, "serverAuth"),
                (NID_subject_alt_name, try CertificateAuthority.alternatives(names, addresses)),
            ]
        }
        try CertificateAuthority.extend(issued, by: certificate, extensions)
        try CertificateAuthority.sign(issued, with: self.key)
        return (issued, key)
    }

    /// Returns the subject alternative names as libcrypto reads them.
    private static func alternatives(_ names: [String], _ addresses: [String]) throws(CertificateError) -> String {
        guard !names.isEmpty || !addresses.isEmpty else { throw CertificateError("a server needs a host name") }
        for name in names where !isHostName(name) { throw CertificateError("'\(name)' is not a host name") }
        // A comma would begin another name.
        for address in addresses
        where !address.utf8.allSatisfy({
            ("0"..."9") ~= Character(UnicodeScalar($0))
                || "abcdefABCDEF.:".utf8.contains($0)
        }) {
            throw CertificateError("'\(address)' is not an IP number")
        }
        return (names.map { "DNS:" + $0 } + addresses.map { "IP:" + $0 }).joined(separator: ",")
    }

    /// Returns whether a text is a host name (RFC 1123), also with the wildcard `*.` at its begin.
    package static func isHostName(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        guard (1...253).contains(name.utf8.count) else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { byte in
                    (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte) || byte == 45
                }
        }
    }

    private static func certificate(_ name: String, of key: PrivateKey, days: Int) throws(CertificateError)
        -> Certificate
    {
        guard (1...nameLimit).contains(name.utf8.count) else {
            throw CertificateError("the name '\(name)' must have 1 to \(nameLimit) bytes")
        }
        guard let handle = X509_new() else { throw .failed("make a certificate") }
        let certificate = Certificate(owning: handle)
        // 16 random bytes; the first bit is 0, so that the number is positive in 16 bytes.
        var serial = [UInt8](repeating: 0, count: 16)
        guard RAND_bytes(&serial, Int32(serial.count)) == 1 else { throw .failed("make a serial number") }
        serial[0] = serial[0] & 0x7f | 0x40
        let number = BN_bin2bn(serial, Int32(serial.count), nil)
        defer { BN_free(number) }
        let subject = X509_get_subject_name(handle)
        guard X509_set_version(handle, 2) == 1, BN_to_ASN1_INTEGER(number, X509_get_serialNumber(handle)) != nil,
            X509_gmtime_adj(X509_getm_notBefore(handle), -backdatedS) != nil,
            X509_gmtime_adj(X509_getm_notAfter(handle), days * 86_400) != nil,
            X509_set_pubkey(handle, key.handle) == 1,
            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, Int32(name.utf8.count), -1, 0) == 1
        else { throw .failed("make a certificate") }
        return certificate
    }

    private static func extend(
        _ certificate: Certificate, by issuer: Certificate, _ extensions: [(kind: Int32, value: String)]
    ) throws(CertificateError) {
        for (kind, value) in extensions where shim_add_extension(certificate.handle, issuer.handle, kind, value) != 1 {
            throw .failed("add '\(value)' to a certificate")
        }
    }

    private static func sign(_ certificate: Certificate, with key: PrivateKey) throws(CertificateError) {
        guard X509_sign(certificate.handle, key.handle, EVP_sha256()) > 0 else { throw .failed("sign a certificate") }
    }
}
