import Crypto
import Testing

@Suite struct AESTests {
    private static func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex)! }
    private static func cipher(_ hex: String) -> AES128 { AES128(key: bytes(hex))! }

    /// FIPS 197, appendix C.1.
    @Test func blockMatchesFIPS197() {
        let cipher = Self.cipher("000102030405060708090a0b0c0d0e0f")
        let block = Self.bytes("00112233445566778899aabbccddeeff")
        #expect(Hex.encode(cipher.encrypt(block: block)) == "69c4e0d86a7b0430d8cdb78070b4c55a")
        #expect(cipher.decrypt(cipher.encrypt(block: block)) == block)
    }

    /// NIST SP 800-38A, F.2.1 and F.2.2, the first two blocks.
    @Test func cbcMatchesSP80038A() {
        let cipher = Self.cipher("2b7e151628aed2a6abf7158809cf4f3c")
        let iv = Self.bytes("000102030405060708090a0b0c0d0e0f")
        let plain = Self.bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
        let secret = Self.bytes("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
        #expect(cipher.encrypt(plain, iv: iv) == secret)
        #expect(cipher.decrypt(secret, iv: iv) == plain)
        #expect(cipher.encrypt(plain) != secret)
        #expect(cipher.encrypt([]) == [])
    }

    @Test func keyRequires16Bytes() {
        for count in [0, 15, 17, 24, 32] { #expect(AES128(key: [UInt8](repeating: 0, count: count)) == nil) }
    }

    /// RFC 4493, section 4.
    @Test(arguments: [
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca32611497c827"
        ),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
            "51f0bebf7e3b9d92fc49741779363cfe"
        ),
    ])
    func cmacMatchesRFC4493(message: String, mac: String) {
        let cmac = CMAC(Self.cipher("2b7e151628aed2a6abf7158809cf4f3c"))
        #expect(Hex.encode(cmac.authenticate(Self.bytes(message))) == mac)
    }

    /// AN10922, section 2.2.1: UID, application and system identifier.
    @Test func diversifiedKeyMatchesAN10922() {
        let master = Self.cipher("00112233445566778899aabbccddeeff")
        let key = CMAC.diversifiedKey(of: master, input: Self.bytes("04782e21801d803042f54e585020416275"))
        let expected = Self.cipher("a8dd63a3b89d54b37ca802473fda9175")
        let block = [UInt8](repeating: 7, count: AES128.length)
        #expect(key.encrypt(block: block) == expected.encrypt(block: block))
    }

    /// AN10922 always pads to two blocks, unlike CMAC; 31 bytes need no padding. The expected key follows the
    /// definition: CBC over D, with the subkey of RFC 4493 in the last block.
    @Test(arguments: [1, 7, 14, 15, 16, 30, 31])
    func diversificationPadsToTwoBlocks(count: Int) {
        let master = Self.cipher("00112233445566778899aabbccddeeff")
        // The subkeys of this master key in AN10922.
        let subkey = Self.bytes(
            count == 31 ? "fbc9f75c9413c041dfee452d3f0706d1" : "f793eeb928278083bfdc8a5a7e0e0d25")
        let input = (0..<count).map { UInt8($0 + 1) }
        var text = [0x01] + input
        if text.count < 32 { text.append(0x80) }
        text += [UInt8](repeating: 0, count: 32 - text.count)
        for index in 0..<16 { text[16 + index] ^= subkey[index] }
        let expected = AES128(key: Array(master.encrypt(text).suffix(16)))!
        let key = CMAC.diversifiedKey(of: master, input: input)
        let block = [UInt8](repeating: 7, count: AES128.length)
        #expect(key.encrypt(block: block) == expected.encrypt(block: block))
    }
}
