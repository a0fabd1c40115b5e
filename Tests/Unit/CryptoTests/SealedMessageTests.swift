import Crypto
import Testing

@Suite struct SealedMessageTests {
    private func bytes(_ hex: String) throws -> [UInt8] { try #require(Hex.decode(hex)) }

    /// The second pair is of RFC 7748 section 6.1. The other values are of an independent implementation.
    @Test func keyAgreementHasValuesOfStandard() throws {
        let first = try bytes("77076d0a7318a57d3c16c17251b26645df4c2f92ebc0992ac177fba51db92c2a")
        let second = try bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
        let shared = try bytes("ec555394277877e3ef665c2af39d396d8572f112cc8ce2af0972cb6a3989406d")
        #expect(
            try X25519.publicKey(of: second)
                == bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
        #expect(try X25519.sharedSecret(first, with: X25519.publicKey(of: second)) == shared)
        #expect(try X25519.sharedSecret(second, with: X25519.publicKey(of: first)) == shared)
    }

    @Test func keyOfLowOrderIsRefused() throws {
        let zeros = [UInt8](repeating: 0, count: X25519.length)
        #expect(throws: CryptoError.self) { try X25519.sharedSecret(X25519.privateKey(), with: zeros) }
        #expect(throws: CryptoError.self) { try SealedMessage.seal([1], to: zeros, purpose: "test") }
    }

    /// HKDF-SHA-256 and AES-256-GCM as of an independent implementation.
    @Test func messageUnderSecretHasKnownForm() throws {
        let secret = Array(UInt8(0)..<32)
        let sealed = try SealedMessage.seal(Array("hello".utf8), secret: secret, purpose: "test")
        #expect(Hex.encode(sealed) == "920d07805755fbc677d1fea0ef1d4a78c0be5f82ce")
        #expect(SealedMessage.open(sealed, secret: secret, purpose: "test") == Array("hello".utf8))
        #expect(SealedMessage.open(sealed, secret: secret, purpose: "other") == nil)
        #expect(SealedMessage.open(sealed, secret: secret.reversed(), purpose: "test") == nil)
    }

    @Test(arguments: [0, 1, 16, 5_000])
    func messageToKeyIsReadByItsOwnerOnly(size: Int) throws {
        let key = X25519.privateKey()
        let message = randomBytes(size)
        let sealed = try SealedMessage.seal(message, to: X25519.publicKey(of: key), purpose: "test")
        #expect(SealedMessage.open(sealed, with: key, purpose: "test") == message)
        #expect(SealedMessage.open(sealed, with: key, purpose: "other") == nil)
        #expect(SealedMessage.open(sealed, with: X25519.privateKey(), purpose: "test") == nil)
    }

    @Test func changedMessageIsRefused() throws {
        let key = X25519.privateKey()
        let sealed = try SealedMessage.seal([1, 2, 3], to: X25519.publicKey(of: key), purpose: "test")
        for at in sealed.indices {
            var changed = sealed
            changed[at] ^= 1
            #expect(SealedMessage.open(changed, with: key, purpose: "test") == nil, "byte \(at)")
        }
        for count in 0..<sealed.count {
            #expect(SealedMessage.open(Array(sealed.prefix(count)), with: key, purpose: "test") == nil)
        }
    }

    /// RFC 4648 section 10, without padding.
    @Test(arguments: [
        ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
        ("foobar", "MZXW6YTBOI"),
    ])
    func base32HasValuesOfStandard(text: String, encoded: String) {
        #expect(Base32.encode(text.utf8) == encoded)
        #expect(Base32.decode(encoded) == Array(text.utf8))
        #expect(Base32.decode(encoded.lowercased()) == Array(text.utf8))
    }

    @Test(arguments: ["M", "MZX", "MZ1Q", "MZXW6=", "MZXW6Y", "M Y", "MÄ"])
    func otherTextIsNoBase32(text: String) { #expect(Base32.decode(text) == nil) }

    @Test func textWithoutCertificateHasNoFingerprint() {
        for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            #expect(throws: CryptoError.self) { try CertificateKey.fingerprint(pem: Array(text.utf8)) }
        }
    }
}
