import Crypto

/// A signature file in minisign's format, which `minisign -V` verifies.
///
/// Four lines:
/// 1. an untrusted comment
/// 2. the algorithm, the key number and the signature of the file
/// 3. a trusted comment
/// 4. the signature of the first signature and the trusted comment
package struct MinisignSignature: Sendable {
    /// Signature of the file's BLAKE2b-512: minisign's default since 2021.
    static let prehashed = Array("ED".utf8)
    /// Signature of the file itself: the default before 2021 (`minisign -l`).
    static let legacy = Array("Ed".utf8)
    static let trustedPrefix = "trusted comment: "

    let algorithm: [UInt8]
    /// Number of the signing key, 8 bytes. Compare it with `MinisignPublicKey.number`.
    package let keyNumber: [UInt8]
    let signature: [UInt8]
    /// Text of the trusted comment. Trustworthy only after `isValid` has returned `true`.
    package let trustedComment: String
    let commentSignature: [UInt8]

    /// Parses a signature file; `nil` for any other content.
    package init?(file bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 4 || lines.count == 5 && lines[4].isEmpty, lines[0].hasPrefix("untrusted comment: "),
            let first = Base64.decode(lines[1].trimmed), first.count == 74,
            lines[2].hasPrefix(MinisignSignature.trustedPrefix),
            let second = Base64.decode(lines[3].trimmed), second.count == Ed25519.signatureLength
        else { return nil }
        algorithm = Array(first[..<2])
        guard algorithm == MinisignSignature.prehashed || algorithm == MinisignSignature.legacy else { return nil }
        keyNumber = Array(first[2..<10])
        signature = Array(first[10...])
        trustedComment = String(lines[2].dropFirst(MinisignSignature.trustedPrefix.count))
        commentSignature = second
    }

    /// Verifies the signature and the trusted comment.
    ///
    /// - Parameters:
    ///   - message: content of the signed file.
    ///   - key: the public key.
    /// - Returns: whether both signatures are valid.
    package func isValid(for message: [UInt8], by key: MinisignPublicKey) -> Bool {
        let signed = algorithm == MinisignSignature.prehashed ? BLAKE2b.hash(message) : message
        return keyNumber == key.number && Ed25519.verify(signature, of: signed, publicKey: key.key)
            && Ed25519.verify(
                commentSignature, of: signature + Array(trustedComment.utf8), publicKey: key.key)
    }

    /// Signs a message and renders the signature file.
    ///
    /// - Parameters:
    ///   - message: content of the file to sign.
    ///   - key: the secret key.
    ///   - comment: trusted comment, one line; `minisign -V` displays it.
    /// - Returns: the content of the signature file.
    /// - Throws: `CryptoError`.
    package static func file(
        signing message: [UInt8], with key: MinisignSecretKey, trustedComment comment: String
    ) throws -> [UInt8] {
        precondition(!comment.contains(where: \.isNewline))
        let signature = try key.sign(BLAKE2b.hash(message))
        let commentSignature = try key.sign(signature + Array(comment.utf8))
        let text = """
            untrusted comment: signature from tapline-snapshot
            \(Base64.encode(prehashed + key.publicKey.number + signature))
            \(trustedPrefix)\(comment)
            \(Base64.encode(commentSignature))

            """
        return Array(text.utf8)
    }
}
