/// Certificates for TLS connections to brokers, and the permission to do without protection.
package struct AMQPSecurity: Sendable, Hashable {
    /// Path of the PEM bundle of accepted certificate authorities; `nil` for the system's.
    package var authorityFile: String?
    /// Path of the client certificate, PEM; `nil` without one.
    package var certificateFile: String?
    /// Path of the key of the client certificate, PEM; `nil` without one.
    package var keyFile: String?
    /// Whether plain `amqp`, the user `guest` and an unverified certificate are permitted to other machines.
    ///
    /// A loopback address may always use them.
    package var allowsInsecure: Bool

    /// - Parameters:
    ///   - authorityFile: PEM bundle of accepted authorities; `nil` for the system's.
    ///   - certificateFile: client certificate, PEM; `nil` without one.
    ///   - keyFile: key of the client certificate, PEM; `nil` without one.
    ///   - allowsInsecure: whether connections to other machines may lack protection.
    package init(
        authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil,
        allowsInsecure: Bool = false
    ) {
        self.authorityFile = authorityFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.allowsInsecure = allowsInsecure
    }
}
