import Crypto

/// Passwords of broker users. Only the enrolment file has the password; the broker has its hash.
package enum BrokerPassword {
    /// Name of the algorithm in the definitions of RabbitMQ.
    static let algorithm = "rabbit_password_hashing_sha256"
    private static let saltLength = 4
    private static let length = 24

    /// Returns a new password of 192 random bits: hexadecimal digits, which a URL needs not encode.
    package static func random() -> String { Hex.encode(randomBytes(length)) }

    /// Computes the hash that RabbitMQ stores: Base64 of the salt and of SHA-256 over salt and password.
    ///
    /// Source: https://www.rabbitmq.com/docs/passwords#computing-password-hash
    ///
    /// - Parameters:
    ///   - password: the password.
    ///   - salt: 4 bytes; random by default.
    package static func hash(_ password: String, salt: [UInt8]? = nil) -> String {
        let salt = salt ?? randomBytes(saltLength)
        return Base64.encode(salt + SHA256.hash(salt + Array(password.utf8)))
    }
}
