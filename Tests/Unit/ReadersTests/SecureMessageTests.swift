import Crypto
import ScanModel
import TestSupport
import Testing

@testable import Readers

/// The messages and keys of NXP AN12196, and forgeries of them.
struct SecureMessageTests {
    static let zero = String(repeating: "0", count: 32)
    static let encrypted = "picc_data=EF963FF7828658A599F3041510671E88&cmac=94EED9EE65337086"
    static let withFile =
        "picc_data=FD91EC264309878BE6345CBE53BADF40&enc=CEE9A53E3E463EF1F459635736738962&cmac=ECC1E7F6C6C73BF6"
    static let plain = "uid=041E3C8A2D6B80&ctr=000006&cmac=4B00064004B0B3D3"

    static func keys(_ meta: String = zero, _ file: String = zero) -> SecureMessageKeys {
        try! SecureMessageKeys(text: "meta = \(meta)\nfile = \(file)\ndiversify = no\n")
    }

    /// Returns the NDEF message of a chip with one URI record.
    static func ndef(_ query: String) -> [UInt8] {
        let payload = [0x04] + Array("tapline.example/?\(query)".utf8)
        return [0xD1, 0x01, UInt8(payload.count), 0x55] + payload
    }

    static func content(_ query: String, _ keys: SecureMessageKeys = keys()) -> SecureMessage.Content? {
        guard case .message(let message) = NDEF.uri(ndef(query)).flatMap({ SecureMessage.Finding(uri: $0) }) else {
            return nil
        }
        return message.content(keys)
    }

    @Test func encryptedUIDAndCounterAreRead() throws {
        let content = try #require(Self.content(Self.encrypted))
        #expect(Hex.encode(content.uid) == "04de5f1eacc040")
        #expect(content.counter == 61)
        #expect(content.fileData == [])
        // The parameter names of AN12196.
        #expect(Self.content("e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086") == content)
        #expect(Self.content(Self.encrypted + "#end") == content)
        #expect(Self.content("x=1&" + Self.encrypted) == content)
    }

    @Test func macCoversEncryptedFileData() throws {
        let content = try #require(Self.content(Self.withFile))
        #expect(Hex.encode(content.uid) == "04958caa5c5e80")
        #expect(content.counter == 8)
        #expect(content.fileData == [UInt8](repeating: UInt8(ascii: "x"), count: 16))
        #expect(Self.content(Self.withFile.replacing("CEE9", with: "CEE8")) == nil)
        // The MAC covers the text, so an inserted parameter invalidates it.
        #expect(Self.content(Self.withFile.replacing("&cmac", with: "&x=1&cmac")) == nil)
        #expect(Self.content(Self.withFile.replacing("ECC1E7F6C6C73BF6", with: "3CC1E7F6C6C33B33")) == nil)
    }

    @Test func plainUIDAndCounterAreRead() throws {
        let content = try #require(Self.content(Self.plain))
        #expect(Hex.encode(content.uid) == "041e3c8a2d6b80")
        #expect(content.counter == 6)
        #expect(Self.content(Self.plain.replacing("000006", with: "000007")) == nil)
        #expect(Self.content(Self.plain.replacing("041E", with: "041F")) == nil)
        #expect(Self.content(Self.plain.replacing("4B00064004B0B3D3", with: "AB00064004B0B3AB")) == nil)
    }

    @Test func singleParameterWithAllPartsIsRead() throws {
        let keys = Self.keys("42aff114f2cb3b6141be6dc95dfc5416", "b62a9baf092439bd43c62aee96b970c5")
        let content = try #require(
            Self.content("d=8ACADDEF0A9B62CDAE39A16B83FC14DEB8436E11F627BB7F543FCC0C1E0D1A89238B2543A8DEBAD8", keys))
        #expect(Hex.encode(content.uid) == "041d3c8a2d6b80")
        #expect(content.counter == 291)
        #expect(Hex.encode(content.fileData) == "4e545858716e6f5f6f42467077792d56")
        #expect(Self.content("e=EF963FF7828658A599F3041510671E8894EED9EE65337086")?.counter == 61, "no file data")
    }

    /// Each bit of the message is inverted in turn.
    @Test(arguments: [(encrypted, 61), (withFile, 8), (plain, 6)] as [(String, Int64)])
    func invertedBitInvalidatesMessage(query: String, counter: Int64) {
        #expect(Self.content(query)?.counter == counter)
        for name in query.split(separator: "&").map({ $0.prefix { $0 != "=" } }) {
            let start = query.firstRange(of: name + "=")!.upperBound
            let value = query[start...].prefix { $0 != "&" }
            for position in 0..<value.count {
                for bit in [1, 2, 4, 8] {
                    var digits = Array(value)
                    let inverted = String(Int(String(digits[position]), radix: 16)! ^ bit, radix: 16, uppercase: true)
                    digits[position] = Character(inverted)
                    let changed = String(query[..<start]) + String(digits) + query[value.endIndex...]
                    #expect(Self.content(changed) == nil, "\(name), digit \(position), bit \(bit)")
                }
            }
        }
    }

    @Test func otherKeysVerifyNoMessage() {
        let other = "00000000000000000000000000000001"
        #expect(Self.content(Self.encrypted, Self.keys(other, Self.zero)) == nil)
        #expect(Self.content(Self.encrypted, Self.keys(Self.zero, other)) == nil)
        #expect(Self.content(Self.plain, Self.keys(other, Self.zero)) != nil, "a plain UID needs no meta key")
    }

    @Test func secondKeySetVerifiesOlderChips() throws {
        let keys = try SecureMessageKeys(
            text: """
                # new bands
                meta = 42aff114f2cb3b6141be6dc95dfc5416
                file = b62a9baf092439bd43c62aee96b970c5
                diversify = no
                # old bands
                meta = \(Self.zero)
                file = \(Self.zero)
                diversify = no
                """)
        #expect(Self.content(Self.encrypted, keys)?.counter == 61)
        let new = "d=8ACADDEF0A9B62CDAE39A16B83FC14DEB8436E11F627BB7F543FCC0C1E0D1A89238B2543A8DEBAD8"
        #expect(Self.content(new, keys)?.counter == 291)
        #expect(Self.content(new) == nil)
    }

    /// A simulated chip with a key derived by AN10922.
    @Test(arguments: [[UInt8](), [0x30, 0x42, 0xF5, 0x4E, 0x58, 0x50]])
    func diversifiedKeysVerify(system: [UInt8]) throws {
        let uid = Hex.decode("04112233445566")!
        let master = AES128(key: Hex.decode("00112233445566778899aabbccddeeff")!)!
        let key = CMAC.diversifiedKey(of: master, input: uid + system)
        let session = CMAC(key).authenticate([0x3C, 0xC3, 0, 1, 0, 0x80] + uid + [0x2A, 0, 0])
        let full = CMAC(AES128(key: session)!).authenticate([])
        let query = "uid=\(Hex.encode(uid))&ctr=00002A&cmac=" + Hex.encode((0..<8).map { full[2 * $0 + 1] })
        func keys(_ rule: String) throws -> SecureMessageKeys {
            try SecureMessageKeys(
                text: "meta=\(Self.zero)\nfile=00112233445566778899aabbccddeeff\ndiversify=\(rule)")
        }
        let rule = system.isEmpty ? "uid" : "uid+" + Hex.encode(system)
        #expect(Self.content(query, try keys(rule))?.counter == 42)
        for other in ["no", "uid", "uid+00"] where other != rule {
            #expect(Self.content(query, try keys(other)) == nil, "\(other)")
        }
    }

    @Test func chipsAreIdentified() {
        let keys = Self.keys()
        let uid = Hex.decode("04DE5F1EACC040")!
        let random: [UInt8] = [0x08, 1, 2, 3]
        func identity(_ uid: [UInt8], _ query: String?) -> (TagIdentity, Tap.Proof) {
            keys.identify(uid: uid, ndef: query.map(Self.ndef))
        }
        #expect(identity(uid, Self.encrypted) == (.sun(uid), .authentic(counter: 61)))
        #expect(identity(random, Self.encrypted) == (.sun(uid), .authentic(counter: 61)))
        // A recorded message from a chip with another UID.
        #expect(identity([4, 1, 2, 3, 4, 5, 6], Self.encrypted) == (.uid([4, 1, 2, 3, 4, 5, 6]), .forged))
        #expect(identity(uid, Self.encrypted.replacing("94EE", with: "94EF")) == (.uid(uid), .forged))
        #expect(identity(random, Self.encrypted.replacing("94EE", with: "94EF")) == (.uid(random), .forged))
        // Parameters of a secure message that are too short, too long or not hexadecimal.
        for query in [
            "picc_data=EF963FF7&cmac=94EED9EE65337086", "picc_data=\(Self.zero)&cmac=94EED9EE653370",
            "picc_data=\(Self.zero)00&cmac=94EED9EE65337086", "picc_data=\(Self.zero)&cmac=94EED9EE6533708X",
            "picc_data=&cmac=", "uid=041E3C8A2D6B&ctr=000006&cmac=4B00064004B0B3D3",
            "picc_data=\(Self.zero)&enc=00&cmac=94EED9EE65337086",
        ] {
            #expect(identity(uid, query) == (.uid(uid), .forged), "\(query)")
        }
        for query in [nil, "", "a=b", "lang=en&code=5"] { #expect(identity(uid, query) == (.uid(uid), .uid)) }
        #expect(identity(random, nil) == (.uid(random), .randomUID))
        #expect(keys.identify(uid: uid, ndef: []) == (.uid(uid), .uid))
        // A UID of 7 bytes is fixed, even if it begins with 08.
        #expect(identity([8, 1, 2, 3, 4, 5, 6], nil) == (.uid([8, 1, 2, 3, 4, 5, 6]), .uid))
    }

    /// Without a counter, a recorded message would verify again.
    @Test func messageWithoutCounterIsRejected() {
        let meta = AES128(key: [UInt8](repeating: 0, count: 16))!
        let uid = Hex.decode("04DE5F1EACC040")!
        for tag: UInt8 in [0x87, 0x47, 0xC4, 0xC8, 0x00] {
            let picc = meta.encrypt([tag] + uid + [61, 0, 0] + [UInt8](repeating: 0, count: 5))
            let query = "picc_data=\(Hex.encode(picc))&cmac=94EED9EE65337086"
            #expect(Self.content(query) == nil, "\(tag)")
        }
        let picc = meta.encrypt([0xC7] + uid + [61, 0, 0] + [UInt8](repeating: 0, count: 5))
        #expect(Self.content("picc_data=\(Hex.encode(picc))&cmac=94EED9EE65337086")?.counter == 61)
    }

    @Test func alteredMessagesDoNotVerify() {
        var random = TestRandom(7)
        let keys = Self.keys()
        let valid = Self.ndef(Self.withFile)
        var rejected = 0
        for _ in 0..<5_000 {
            var bytes = Array(valid.prefix(Int.random(in: 0...valid.count, using: &random)))
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard case .authentic = keys.identify(uid: [8, 0, 0, 0], ndef: bytes).proof else {
                rejected += 1
                continue
            }
            // The MAC covers neither the text before the values nor the case of digits outside its text.
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.uppercased().contains("FD91EC264309878BE6345CBE53BADF40"))
            #expect(text.contains("CEE9A53E3E463EF1F459635736738962&cmac="))
        }
        #expect(rejected > 4_900)
    }
}
