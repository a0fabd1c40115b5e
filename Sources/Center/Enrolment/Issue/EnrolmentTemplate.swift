import Crypto
package import EnrolmentExchange
import LinuxSystem
package import ScanModel

/// What all scanners of a site have in common: addresses, keys and certificate authorities.
package struct EnrolmentTemplate: Sendable {
    /// A setting that cannot be used. The text says why, without a secret.
    package struct Invalid: Error, CustomStringConvertible, Equatable {
        /// The cause.
        package let description: String
    }

    /// Brokers as the scanners reach them, without user.
    private let brokers: [BrokerURL]
    /// Base URLs of the centers.
    package var centers: [String] = []
    /// Public keys of snapshots, Base64 of minisign.
    package var trustKeys: [String] = []
    /// Certificate authorities of the site, PEM; `nil` where the system's are right.
    package var authorities: String?
    /// Event key, 32 bytes; `nil` if the devices get it otherwise.
    package var eventKey: [UInt8]?

    /// Creates a template.
    ///
    /// - Parameters:
    ///   - brokers: URLs of the brokers as the scanners reach them. A user in them is replaced.
    ///   - allowsPlain: whether amqp without TLS is accepted for other machines than this one.
    /// - Throws: `Invalid`.
    package init(brokers: [String], allowsPlain: Bool = false) throws(Invalid) {
        guard !brokers.isEmpty else { throw Invalid(description: "no broker is given") }
        var parsed: [BrokerURL] = []
        for url in brokers { parsed.append(try BrokerURL(url, allowsPlain: allowsPlain)) }
        self.brokers = parsed
        isPlain = allowsPlain
    }

    private let isPlain: Bool

    /// Makes new credentials for a scanner.
    ///
    /// - Parameters:
    ///   - scanner: the scanner.
    ///   - deviceKey: public key of the device; `nil` makes a pair, whose private key is in the enrolment file.
    ///   - isForToken: whether the device makes its key itself, and adds it to the file.
    /// - Throws: `CryptoError`.
    package func issue(
        _ scanner: ScannerID, deviceKey: [UInt8]? = nil, isForToken: Bool = false
    ) throws -> IssuedEnrolment {
        let password = BrokerPassword.random()
        let token = Hex.encode(randomBytes(IssuedEnrolment.tokenLength))
        var settings = [
            "AMQP_URL": brokers.map { $0.text(user: scanner.text, password: password) }.joined(separator: " "),
            "CENTER_TOKEN": token,
        ]
        if !centers.isEmpty { settings["CENTER_URL"] = centers.joined(separator: " ") }
        if !trustKeys.isEmpty { settings["TRUST_KEY"] = trustKeys.joined(separator: " ") }
        if let eventKey { settings["EVENT_KEY"] = Hex.encode(eventKey) }
        if isPlain { settings["INSECURE_AMQP"] = "1" }
        var publicKey = deviceKey
        if deviceKey == nil, !isForToken {
            let own = X25519.privateKey()
            settings["DEVICE_KEY"] = Hex.encode(own)
            publicKey = try X25519.publicKey(of: own)
        }
        return IssuedEnrolment(
            content: EnrolmentContent(scanner, settings: settings, authorities: authorities), scanner: scanner,
            passwordHash: BrokerPassword.hash(password), downloadHash: SHA256.hash(Array(token.utf8)),
            deviceKey: publicKey)
    }
}

/// New credentials of a scanner. The enrolment file has the secrets; broker and database get the hashes.
package struct IssuedEnrolment: Sendable {
    /// Size of a bearer token before its encoding in hexadecimal, in bytes.
    static let tokenLength = 32

    /// The enrolment file.
    package let content: EnrolmentContent
    /// The scanner.
    package let scanner: ScannerID
    /// For the broker (`BrokerPassword.hash`).
    package let passwordHash: String
    /// SHA-256 of the bearer token.
    package let downloadHash: [UInt8]
    /// Public key of the device; `nil` if the device makes one when it redeems its token.
    package let deviceKey: [UInt8]?

    /// The account of the scanner at the broker.
    package var account: BrokerAccount { BrokerAccount(scanner, passwordHash: passwordHash) }
}

/// The address of a broker without its user: `amqps://HOST[:PORT][/VHOST]`.
struct BrokerURL: Equatable {
    let scheme: Substring
    let rest: Substring

    init(_ url: String, allowsPlain: Bool) throws(EnrolmentTemplate.Invalid) {
        func invalid(_ cause: String) -> EnrolmentTemplate.Invalid { .init(description: "broker URL: \(cause)") }
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let mark = url.firstRange(of: "://") else {
            throw invalid("amqps://HOST[:PORT][/VHOST] is needed")
        }
        scheme = url[..<mark.lowerBound]
        let whole = url[mark.upperBound...]
        // The files of certificates are on the device, and its own settings name them.
        guard !whole.contains("?"), !whole.contains("#") else { throw invalid("no parameters are accepted") }
        let authority = whole.prefix { $0 != "/" }
        rest = authority.lastIndex(of: "@").map { whole[whole.index(after: $0)...] } ?? whole
        let address = rest.prefix { $0 != "/" }
        let host = address.hasPrefix("[") ? address.prefix { $0 != "]" }.dropFirst() : address.prefix { $0 != ":" }
        guard !host.isEmpty else { throw invalid("the host is missing") }
        switch scheme {
        case "amqps": break
        case "amqp":
            guard allowsPlain || IPAddress.isLoopback(host: String(host)) else {
                throw invalid("amqp would send the passwords of the scanners in the clear: use amqps")
            }
        default: throw invalid("the scheme must be amqps or amqp")
        }
    }

    func text(user: String, password: String) -> String { "\(scheme)://\(user):\(password)@\(rest)" }
}
