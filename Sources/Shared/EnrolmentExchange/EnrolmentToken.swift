import Crypto

/// A one-time token, with which a device fetches its enrolment file (docs/operating/enrolment.md).
///
/// The text is `TAPLINE1:` and Base32 of four parts: the secret (16 bytes), the key fingerprint of the center's
/// certificate (32 bytes), its host and port (UTF-8), and a check. The check is the first 4 bytes of SHA-256 of the others.
/// The text fits the dense mode of QR codes.
///
/// The center knows only the hash of `lookup`, which the secret determines. So neither the center nor its database can
/// read what is encrypted with the token.
package struct EnrolmentToken: Sendable, Equatable {
    /// Beginning of the text.
    private static let mark = "TAPLINE1:"
    private static let secretLength = 16
    private static let checkLength = 4
    /// Maximum size of host and port, in bytes. The text then fits the 256 bytes of a code reader's line.
    private static let centerLimitBytes = 96

    /// Random bytes.
    private let secret: [UInt8]
    /// Key fingerprint of the center's certificate, 32 bytes.
    package let pinnedKey: [UInt8]
    /// `HOST:PORT` of the center's HTTPS server.
    package let center: String

    /// Makes a new token.
    ///
    /// - Parameters:
    ///   - center: `HOST:PORT` of the center's HTTPS server.
    ///   - pinnedKey: key fingerprint of its certificate (`CertificateKey.fingerprint`).
    /// - Returns: `nil` for a key of another length. The address must be printable ASCII of 1 to 96 bytes.
    package init?(center: String, pinnedKey: [UInt8]) {
        self.init(secret: randomBytes(Self.secretLength), pinnedKey: pinnedKey, center: center)
    }

    /// Parses a text. Case, blanks, line breaks and `-` do not matter.
    ///
    /// - Returns: `nil` for any other text, also for one that was read with an error.
    package init?(_ text: String) {
        let dense = text.filter { !$0.isWhitespace && $0 != "-" }.uppercased()
        guard dense.hasPrefix(Self.mark), dense.utf8.count <= 512,
            let bytes = Base32.decode(dense.dropFirst(Self.mark.count)),
            bytes.count > Self.secretLength + SHA256.length + Self.checkLength
        else { return nil }
        let content = Array(bytes.dropLast(Self.checkLength))
        guard Array(SHA256.hash(content).prefix(Self.checkLength)) == Array(bytes.suffix(Self.checkLength)),
            let center = String(validating: content.dropFirst(Self.secretLength + SHA256.length), as: UTF8.self)
        else { return nil }
        self.init(
            secret: Array(content.prefix(Self.secretLength)),
            pinnedKey: Array(content.dropFirst(Self.secretLength).prefix(SHA256.length)), center: center)
    }

    private init?(secret: [UInt8], pinnedKey: [UInt8], center: String) {
        guard pinnedKey.count == SHA256.length, (1...Self.centerLimitBytes).contains(center.utf8.count),
            center.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !center.contains("/"), !center.contains("@")
        else { return nil }
        self.secret = secret
        self.pinnedKey = pinnedKey
        self.center = center
    }

    /// The text of the token. It enrols one device as the scanner, within an hour.
    package var text: String {
        let content = secret + pinnedKey + Array(center.utf8)
        return Self.mark + Base32.encode(content + SHA256.hash(content).prefix(Self.checkLength))
    }

    /// What the device shows to the center, 32 bytes.
    package var lookup: [UInt8] { HMACSHA256(key: secret).authenticate(Array("tapline enrolment lookup".utf8)) }

    /// Encrypts the only enrolment of this token.
    ///
    /// - Throws: `CryptoError`.
    package func seal(_ content: EnrolmentContent) throws -> [UInt8] {
        try SealedMessage.seal(content.json(), secret: secret, purpose: Self.purpose)
    }

    /// Decrypts an enrolment.
    ///
    /// - Returns: the enrolment; `nil` if it was changed, or made with another token.
    package func open(_ sealed: [UInt8]) -> EnrolmentContent? {
        SealedMessage.open(sealed, secret: secret, purpose: Self.purpose).flatMap(EnrolmentContent.init(json:))
    }

    private static let purpose = "tapline enrolment file"
}
