import Crypto
import Testing

@Suite struct DigestTests {
    /// FIPS 180-4 examples, and the empty message.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256MatchesFIPS180(message: String, digest: String) {
        #expect(Hex.encode(SHA256.hash(Array(message.utf8))) == digest)
    }

    @Test func sha256IsIndependentOfPieces() {
        let message = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for cut in [0, 1, 63, 64, 65, 500, 1_000] {
            var hash = SHA256()
            hash.update(message[..<cut])
            #expect(hash.finish() == SHA256.hash(Array(message[..<cut])))
            hash.update(message[cut...])
            #expect(hash.finish() == SHA256.hash(message))
        }
    }

    /// RFC 4231, cases 1, 2, 6 (key longer than a block).
    @Test func hmacMatchesRFC4231() {
        func mac(_ key: [UInt8], _ text: String) -> String {
            Hex.encode(HMACSHA256(key: key).authenticate(Array(text.utf8)))
        }
        #expect(
            mac([UInt8](repeating: 0x0b, count: 20), "Hi There")
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            mac(Array("Jefe".utf8), "what do ya want for nothing?")
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            mac([UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First")
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test func hmacKeyIsReusable() {
        let mac = HMACSHA256(key: [1, 2, 3])
        let first = mac.authenticate([9])
        _ = mac.authenticate([8, 7, 6])
        #expect(mac.authenticate([9]) == first)
        #expect(first.count == 32)
    }
}
