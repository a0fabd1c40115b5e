import Crypto
import Testing

@Suite struct SignatureTests {
    /// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
    @Test(arguments: [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ])
    func ed25519MatchesRFC8032(vector: [String]) throws {
        let bytes = try vector.map { try #require(Hex.decode($0)) }
        #expect(try Ed25519.publicKey(ofSeed: bytes[0]) == bytes[1])
        #expect(try Ed25519.sign(bytes[2], seed: bytes[0]) == bytes[3])
        #expect(Ed25519.verify(bytes[3], of: bytes[2], publicKey: bytes[1]))
        #expect(!Ed25519.verify(bytes[3], of: bytes[2] + [0], publicKey: bytes[1]))
        #expect(!Ed25519.verify(bytes[3].dropLast(), of: bytes[2], publicKey: bytes[1]))
        #expect(!Ed25519.verify(bytes[3], of: bytes[2], publicKey: bytes[0]))
        #expect(!Ed25519.verify(bytes[3], of: bytes[2], publicKey: []))
        for index in [0, 31, 32, 63] {
            var flipped = bytes[3]
            flipped[index] ^= 1
            #expect(!Ed25519.verify(flipped, of: bytes[2], publicKey: bytes[1]))
        }
    }

    @Test func wrongKeyLengthIsAnError() {
        #expect(throws: CryptoError.self) { try Ed25519.publicKey(ofSeed: [1, 2, 3]) }
        #expect(throws: CryptoError.self) { try Ed25519.sign([], seed: []) }
    }

    /// "abc" is from RFC 7693 appendix A, the other vectors are from Python's hashlib.
    @Test func blake2bMatchesRFC7693() {
        func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }
        let abc = Array("abc".utf8)
        #expect(
            Hex.encode(BLAKE2b.hash(abc))
                == "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        )
        for (message, digest) in [
            ([], "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
            (abc, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
            (pattern(128), "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"),
            (pattern(129), "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9"),
            (pattern(256), "582f782226018ec33076bd8d1c42413530ac7e1126260ffc0f306ba3befc3f24"),
            (pattern(1_000), "b372d0608f720c8c3dd41e9c8eecb10143b41abe520b616607e754bf79c08331"),
        ] { #expect(Hex.encode(BLAKE2b.hash(message, length: 32)) == digest) }
    }

    /// RFC 7914, section 12.
    @Test func scryptMatchesRFC7914() throws {
        #expect(
            Hex.encode(try Scrypt.derive(password: [], salt: [], n: 16, r: 1, p: 1, length: 64))
                == "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        )
        #expect(
            Hex.encode(
                try Scrypt.derive(
                    password: Array("pleaseletmein".utf8), salt: Array("SodiumChloride".utf8), n: 16_384, r: 8, p: 1,
                    length: 64))
                == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        )
        #expect(throws: CryptoError.self) {
            try Scrypt.derive(password: [], salt: [], n: 1 << 21, r: 8, p: 1, length: 64)
        }
        #expect(throws: CryptoError.self) { try Scrypt.derive(password: [], salt: [], n: 15, r: 8, p: 1, length: 64) }
    }

    @Test func randomBytesDifferAndComparisonIsExact() {
        #expect(randomBytes(32).count == 32)
        #expect(randomBytes(32) != randomBytes(32))
        #expect(constantTimeEqual([1, 2, 3], [1, 2, 3]))
        #expect(constantTimeEqual([], []))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2]))
    }
}
