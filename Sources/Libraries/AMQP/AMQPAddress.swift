import Glibc
import LinuxSystem

/// Address and credentials of a broker: `amqp://user:password@host:port/vhost` or `amqps://...`
/// (https://www.rabbitmq.com/uri-spec.html).
///
/// TLS is set by `AMQPSecurity`, or by the query parameters `cacertfile`, `certfile`, `keyfile` and `verify`, which have
/// priority (https://www.rabbitmq.com/uri-query-parameters.html). The description never contains the password.
package struct AMQPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Host name or IP number, percent-decoded and without brackets; `localhost` if the URL has none.
    package let host: String
    /// TCP port, 1 to 65535; 5672 without TLS and 5671 with TLS if the URL has none.
    package let port: Int
    /// User name, percent-decoded; `guest` if the URL has none.
    package let user: String
    /// Password, percent-decoded; `guest` if the URL has none. Never for logs.
    package let password: String
    /// Virtual host, percent-decoded; `/` if the URL has none.
    package let virtualHost: String
    /// Whether the scheme is `amqps`.
    package let usesTLS: Bool
    /// Whether the certificate of the broker and its name are verified. `true` without TLS.
    package let verifiesCertificate: Bool
    /// Path of the PEM bundle of accepted certificate authorities; `nil` for the system's.
    package let authorityFile: String?
    /// Path of the client certificate, PEM.
    package let certificateFile: String?
    /// Path of the key of the client certificate, PEM.
    package let keyFile: String?
    /// Whether the client certificate names the user (SASL EXTERNAL): there is one, and the URL has no password.
    package let logsInByCertificate: Bool

    /// Parses a URL, and refuses an unprotected connection to another machine.
    ///
    /// - Parameters:
    ///   - url: `amqp://...` or `amqps://...`.
    ///   - security: certificates, and what is permitted.
    /// - Throws: `AMQPError` of kind `address` or `insecure`, without the URL, because it may contain a password.
    package init(url: String, security: AMQPSecurity = AMQPSecurity()) throws(AMQPError) {
        func bad(_ detail: String) -> AMQPError { AMQPError(.address, "AMQP URL", detail) }
        func decoded(_ text: Substring) throws(AMQPError) -> String {
            guard let plain = AMQPAddress.percentDecoded(text) else { throw bad("invalid percent-encoding") }
            guard !plain.utf8.contains(0) else { throw bad("a zero byte is not allowed") }
            return plain
        }
        guard let scheme = url.firstRange(of: "://") else { throw bad("must begin with amqp:// or amqps://") }
        switch url[..<scheme.lowerBound].lowercased() {
        case "amqp": usesTLS = false
        case "amqps": usesTLS = true
        default: throw bad("the scheme must be amqp or amqps")
        }
        var rest = url[scheme.upperBound...]
        var query: Substring = ""
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/")
        let path = try slash.map { at throws(AMQPError) in try decoded(rest[rest.index(after: at)...]) } ?? ""
        // Strictly, a single slash names the virtual host "". No broker has that; treat it as the default.
        virtualHost = path.isEmpty ? "/" : path
        var authority = slash.map { rest[..<$0] } ?? rest
        var (user, password): (String?, String?)
        if let at = authority.lastIndex(of: "@") {
            let login = authority[..<at]
            authority = authority[authority.index(after: at)...]
            if let colon = login.firstIndex(of: ":") {
                (user, password) = (try decoded(login[..<colon]), try decoded(login[login.index(after: colon)...]))
            } else {
                user = try decoded(login)
            }
        }
        (host, port) = try AMQPAddress.hostAndPort(authority, defaultPort: usesTLS ? 5_671 : 5_672)
        let parameters = try AMQPAddress.parameters(query)
        guard usesTLS || parameters.isEmpty else { throw bad("certificates need amqps") }
        // The settings are for all brokers; a plain one does not use them.
        let security = usesTLS ? security : AMQPSecurity(allowsInsecure: security.allowsInsecure)
        authorityFile = parameters["cacertfile"] ?? security.authorityFile
        certificateFile = parameters["certfile"] ?? security.certificateFile
        keyFile = parameters["keyfile"] ?? security.keyFile
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw bad("a client certificate and its key need each other")
        }
        verifiesCertificate = parameters["verify"] != "verify_none"
        logsInByCertificate = certificateFile != nil && password == nil
        guard !logsInByCertificate || user != nil else {
            throw bad("a login by certificate needs its user, the common name of the certificate: amqps://USER@HOST")
        }
        (self.user, self.password) = (user ?? "guest", password ?? "guest")
        try checkProtection(security)
    }

    /// Refuses a connection to another machine that others can read or imitate.
    private func checkProtection(_ security: AMQPSecurity) throws(AMQPError) {
        if usesTLS, verifiesCertificate, IPAddress(host) != nil {
            throw AMQPError(
                .address, "AMQP URL",
                "the certificate of an IP address cannot be verified: instead of \(host), use the host name of the "
                    + "certificate (add it to /etc/hosts if there is no name server)")
        }
        guard !security.allowsInsecure, !IPAddress.isLoopback(host: host) else { return }
        func refused(_ detail: String) -> AMQPError { AMQPError(.insecure, "AMQP URL", "\(host): \(detail)") }
        guard usesTLS else {
            throw refused("plain amqp shows password and scans to the network between here and there: use amqps")
        }
        guard user != "guest" else {
            throw refused("the user guest has the same password everywhere: name the user of this program")
        }
        guard verifiesCertificate else {
            throw refused("without verify_peer any machine can pass as the broker: give its certificate authority")
        }
    }

    private static func parameters(_ query: Substring) throws(AMQPError) -> [String: String] {
        func bad(_ detail: String) -> AMQPError { AMQPError(.address, "AMQP URL", detail) }
        var values: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, ["cacertfile", "certfile", "keyfile", "verify"].contains(String(parts[0])) else {
                throw bad("allowed query parameters: cacertfile, certfile, keyfile, verify")
            }
            guard let value = percentDecoded(parts[1]), !value.utf8.contains(0) else {
                throw bad("invalid percent-encoding in \(parts[0])")
            }
            guard parts[0] != "verify" || ["verify_peer", "verify_none"].contains(value) else {
                throw bad("verify must be verify_peer or verify_none")
            }
            values[String(parts[0])] = value
        }
        return values
    }

    /// The URL with the user and without password and certificate files, for logs and errors.
    package var description: String {
        let vhost = virtualHost == "/" ? "" : "/" + virtualHost
        return "\(usesTLS ? "amqps" : "amqp")://\(user)@\(host.contains(":") ? "[\(host)]" : host):\(port)\(vhost)"
    }

    private static func hostAndPort(
        _ authority: Substring, defaultPort: Int
    ) throws(AMQPError) -> (host: String, port: Int) {
        func bad(_ detail: String) -> AMQPError { AMQPError(.address, "AMQP URL", detail) }
        var host = authority
        var port: Substring?
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw bad("'[' without ']'") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.first == ":" else { throw bad("text after ']'") }
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        guard let plain = percentDecoded(host), !plain.utf8.contains(0) else { throw bad("invalid host") }
        guard let port, !port.isEmpty else { return (plain.isEmpty ? "localhost" : plain, defaultPort) }
        guard let number = Int(port), (1...65_535).contains(number) else { throw bad("the port is not 1 to 65535") }
        return (plain.isEmpty ? "localhost" : plain, number)
    }

    /// Encodes a part of a path of a URL: all but letters and digits of ASCII and `-._`.
    package static func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            guard !(character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character)))
            else { return String(character) }
            return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst(), let low = rest.popFirst(),
                let upper = Character(UnicodeScalar(high)).hexDigitValue,
                let lower = Character(UnicodeScalar(low)).hexDigitValue
            else { return nil }
            bytes.append(UInt8(upper << 4 | lower))
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
