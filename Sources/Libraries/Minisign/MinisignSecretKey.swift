import Crypto
package import ErrorModel

/// A secret key in minisign's format, plain (`minisign -W`) or encrypted with a password.
package struct MinisignSecretKey: Sendable {
    /// The public key of the pair. Its key number is also that of the secret key.
    package let publicKey: MinisignPublicKey
    private let seed: [UInt8]

    private init(number: [UInt8], seed: [UInt8]) throws(CryptoError) {
        self.seed = seed
        publicKey = MinisignPublicKey(number: number, key: try Ed25519.publicKey(ofSeed: seed))
    }

    /// Generates a key with a random key number.
    ///
    /// - Returns: the new key.
    /// - Throws: `CryptoError`.
    package static func generate() throws -> MinisignSecretKey {
        try MinisignSecretKey(number: randomBytes(8), seed: randomBytes(Ed25519.seedLength))
    }

    func sign(_ message: [UInt8]) throws -> [UInt8] { try Ed25519.sign(message, seed: seed) }

    // MARK: The file
    //
    // 158 bytes in base64 under a comment line, in this order:
    // - "Ed"; the key derivation ("Sc" scrypt, or two zeros for none); "B2"; a 32-byte salt
    // - scrypt's ops and memory limits, 8 bytes each, little-endian
    // - 104 bytes: the key's number, seed and public key, and BLAKE2b-256 over "Ed" and those.
    // A password encrypts the 104 bytes by XOR with the derived key.
    private static let derivation = Array("Sc".utf8)
    private static let checksum = Array("B2".utf8)
    private static let fileLength = 158
    private static let secretLength = 104

    /// Reads a key file.
    ///
    /// - Parameters:
    ///   - text: content of the file.
    ///   - password: password of an encrypted key; `nil` without a password.
    /// - Throws: `MinisignKeyError`, or `CryptoError` if the key derivation fails.
    package init(file text: String, password: String? = nil) throws {
        let lines = text.split(whereSeparator: \.isNewline)
        guard lines.count == 2, let bytes = Base64.decode(lines[1].trimmed), bytes.count == Self.fileLength,
            bytes[..<2].elementsEqual(MinisignPublicKey.algorithm), bytes[4..<6].elementsEqual(Self.checksum)
        else { throw MinisignKeyError.malformed }
        var secret = Array(bytes[54...])
        let isEncrypted = bytes[2..<4].elementsEqual(Self.derivation)
        guard isEncrypted || bytes[2..<4].elementsEqual([0, 0]) else { throw MinisignKeyError.malformed }
        if isEncrypted {
            guard let password else { throw MinisignKeyError.passwordNeeded }
            let stream = try Self.stream(
                password, salt: Array(bytes[6..<38]), opsLimit: Self.word(bytes[38..<46]),
                memoryLimit: Self.word(bytes[46..<54]))
            secret = zip(secret, stream).map { $0 ^ $1 }
        }
        let (keys, sum) = (Array(secret[..<72]), Array(secret[72...]))
        let expected = BLAKE2b.hash(MinisignPublicKey.algorithm + keys, length: 32)
        // minisign before 0.11 wrote zeros as the checksum of a plain key.
        let hasNoChecksum = !isEncrypted && sum.allSatisfy { $0 == 0 }
        guard hasNoChecksum || constantTimeEqual(sum, expected) else {
            throw isEncrypted ? MinisignKeyError.wrongPassword : MinisignKeyError.malformed
        }
        try self.init(number: Array(keys[..<8]), seed: Array(keys[8..<40]))
        guard publicKey.key == Array(keys[40...]) else { throw MinisignKeyError.malformed }
    }

    /// Renders the key file.
    ///
    /// - Parameter password: encrypts the key; `nil` writes a plain key.
    /// - Returns: the text of the file.
    /// - Throws: `CryptoError` if the key derivation fails.
    package func file(password: String? = nil) throws -> String {
        let keys = publicKey.number + seed + publicKey.key
        var secret = keys + BLAKE2b.hash(MinisignPublicKey.algorithm + keys, length: 32)
        var head = MinisignPublicKey.algorithm
        if let password {
            // scrypt with N = 2^17, r = 8, p = 1: 128 MiB and half a second, the OWASP recommendation. minisign's own
            // keys need 1 GiB, too much for a center on a small machine.
            let (salt, opsLimit, memoryLimit): ([UInt8], UInt64, UInt64) = (randomBytes(32), 1 << 22, 1 << 27)
            let stream = try Self.stream(password, salt: salt, opsLimit: opsLimit, memoryLimit: memoryLimit)
            secret = zip(secret, stream).map { $0 ^ $1 }
            head += Self.derivation + Self.checksum + salt + Self.bytes(opsLimit) + Self.bytes(memoryLimit)
        } else {
            head += [0, 0] + Self.checksum + [UInt8](repeating: 0, count: 48)
        }
        let kind = password == nil ? "unencrypted" : "encrypted"
        return "untrusted comment: minisign \(kind) secret key\n\(Base64.encode(head + secret))\n"
    }

    /// The key stream of libsodium's crypto_pwhash_scryptsalsa208sha256. It derives N and p from the two limits; r is
    /// 8.
    private static func stream(
        _ password: String, salt: [UInt8], opsLimit: UInt64, memoryLimit: UInt64
    ) throws -> [UInt8] {
        let ops = max(opsLimit, 32_768)
        let boundByOps = ops < memoryLimit / 32
        let largest = boundByOps ? ops / 32 : memoryLimit / 1_024
        // N is the smallest power of two above half the bound; N above 2^20 would need more than 1 GiB.
        guard (2...(1 << 21)).contains(largest) else { throw MinisignKeyError.malformed }
        var n: UInt64 = 2
        while n <= largest / 2 { n *= 2 }
        let p = boundByOps ? 1 : min(ops / 4 / n, 0x3fff_ffff) / 8
        guard (1...64).contains(p) else { throw MinisignKeyError.malformed }
        return try Scrypt.derive(
            password: Array(password.utf8), salt: salt, n: n, r: 8, p: p, length: secretLength)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    private static func bytes(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
}

/// A key file that cannot be used.
package enum MinisignKeyError: OperationError {
    /// The text is not a minisign secret key, or its derivation needs more than 1 GiB.
    case malformed
    /// The key is encrypted, and no password was given.
    case passwordNeeded
    /// The password does not decrypt the key.
    case wrongPassword

    /// Always `.configuration`.
    package var category: ErrorCategory { .configuration }

    /// The cause in plain English, without the path of the file.
    package var description: String {
        switch self {
        case .malformed: "not a minisign secret key"
        case .passwordNeeded: "the key is encrypted and needs a password"
        case .wrongPassword: "wrong password"
        }
    }
}
