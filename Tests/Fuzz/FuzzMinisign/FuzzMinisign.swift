import FuzzDriver
import Minisign

/// Signatures and keys in minisign's format.
@main enum FuzzMinisign {
    static func main() {
        guard let key = try? MinisignSecretKey.generate() else { fatalError("no key") }
        let message = Array("manifest".utf8)
        fuzz { bytes in
            if let signature = MinisignSignature(file: bytes) {
                precondition(!signature.isValid(for: message, by: key.publicKey), "a forged signature is valid")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            _ = MinisignPublicKey(file: text)
            _ = MinisignPublicKey(base64: text)
            // Without a password: with one, the file chooses how long its derivation takes, up to a second.
            _ = try? MinisignSecretKey(file: text)
        }
    }
}
