import Crypto
import Testing

@testable import DeviceEmulation

@Suite struct SunChipTests {
    private struct Vector: Sendable {
        let meta, file, uid: String
        let counter: UInt32
        let picc, mac: String
        var data = ""
        var enc = ""
    }

    /// The two messages with zero keys in NXP AN12196 rev. 1.8.
    private static let vectors = [
        Vector(
            meta: "00000000000000000000000000000000", file: "00000000000000000000000000000000", uid: "04DE5F1EACC040",
            counter: 61, picc: "EF963FF7828658A599F3041510671E88", mac: "94EED9EE65337086"),
        Vector(
            meta: "00000000000000000000000000000000", file: "00000000000000000000000000000000", uid: "04958CAA5C5E80",
            counter: 8, picc: "FD91EC264309878BE6345CBE53BADF40", mac: "ECC1E7F6C6C73BF6",
            data: "78787878787878787878787878787878", enc: "CEE9A53E3E463EF1F459635736738962"),
    ]

    @Test(arguments: 0..<vectors.count) func messageEqualsApplicationNote(index: Int) throws {
        let vector = Self.vectors[index]
        let meta = try #require(AES128(key: Hex.decode(vector.meta)!))
        // The random padding of the real chip is part of the vector.
        let padding = Array(meta.decrypt(Hex.decode(vector.picc)!).suffix(5))
        var chip = SunChip(
            uid: Hex.decode(vector.uid)!, meta: meta, file: AES128(key: Hex.decode(vector.file)!)!,
            counter: vector.counter)
        chip.url = "https://x.example/"
        chip.fileData = Hex.decode(vector.data)!
        let enc = vector.enc.isEmpty ? "" : "&enc=" + vector.enc
        #expect(
            chip.message(padding: padding) == "https://x.example/?picc_data=\(vector.picc)\(enc)&cmac=\(vector.mac)")
    }

    @Test func counterIncreasesOncePerSession() throws {
        let zero = try #require(AES128(key: [UInt8](repeating: 0, count: 16)))
        let chip = SunChip(uid: [4, 1, 2, 3, 4, 5, 6], meta: zero, file: zero, counter: 9)
        var tag = EmulatedTag.sun(chip)
        let first = try Self.file(&tag)
        #expect(tag.sun?.counter == 10)
        #expect(try Self.file(&tag) == first, "the same session")
        tag.select()
        #expect(try Self.file(&tag) != first)
        #expect(tag.sun?.counter == 11)
    }

    @Test func ndefFileIsReadStepByStep() throws {
        var tag = EmulatedTag.type4([4, 1, 2, 3, 4, 5, 6], Type4Application(url: "https://a.example/1"))
        #expect(tag.exchange([0x00, 0xb0, 0, 0, 2]) == [0x69, 0x86], "no file is selected")
        #expect(tag.exchange([0x00, 0xa4, 0, 0x0c, 2, 0xe1, 0x04]) == [0x6a, 0x82], "no application is selected")
        #expect(tag.exchange([0x00, 0xa4, 4, 0, 7, 1, 2, 3, 4, 5, 6, 7, 0]) == [0x6a, 0x82])
        #expect(tag.exchange([0x00, 0xa4, 4, 0, 9, 1]) == [0x67, 0x00])
        #expect(tag.exchange([0x00, 0xca, 0, 0, 0]) == [0x6d, 0x00])
        #expect(tag.exchange([0x90, 0x60, 0, 0, 0]) == [0x6e, 0x00])
        #expect(tag.exchange(Self.application) == [0x90, 0x00])
        #expect(tag.exchange([0x00, 0xa4, 0, 0x0c, 2, 0xe1, 0x03]) == [0x90, 0x00])
        let answer = tag.exchange([0x00, 0xb0, 0, 0, 0x0f])
        let container = try #require(answer)
        #expect(Array(container[7..<11]) == [0x04, 0x06, 0xe1, 0x04] && container.suffix(2) == [0x90, 0x00])
        let file = try Self.file(&tag)
        #expect(Array(file[..<7]) == [0, 16, 0xd1, 0x01, 0x0c, 0x55, 0x04])
        #expect(String(decoding: file[7..<18], as: UTF8.self) == "a.example/1")
        #expect(tag.exchange([0x00, 0xb0, 0, 7, 4]) == Array("a.ex".utf8) + [0x90, 0x00])
        #expect(tag.exchange([0x00, 0xb0, 0x10, 0, 4]) == [0x6b, 0x00])
    }

    @Test func foreignAndNoisyChipsAnswerWithoutNDEF() {
        var foreign = EmulatedTag.type4([4, 1, 2, 3, 4, 5, 6], Type4Application(message: [], behavior: .foreign))
        #expect(foreign.exchange(Self.application) == [0x6a, 0x82])
        var noise = EmulatedTag.type4([4, 1, 2, 3, 4, 5, 6], Type4Application(message: [], behavior: .noise(seed: 0)))
        let answers = Set((0..<50).compactMap { _ in noise.exchange(Self.application) })
        #expect(answers.count > 40 && answers.allSatisfy { $0.count < 64 })
        #expect(noise.exchangeRaw([0xb2]) == [0xa2] && noise.exchangeRaw([0xb3]) == [0xa3])
        #expect(noise.exchangeRaw([0x30, 0]) == nil)
    }

    static let application: [UInt8] = [0x00, 0xa4, 4, 0, 7, 0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0]

    private static func file(_ tag: inout EmulatedTag) throws -> [UInt8] {
        #expect(tag.exchange(application) == [0x90, 0x00])
        #expect(tag.exchange([0x00, 0xa4, 0, 0x0c, 2, 0xe1, 0x04]) == [0x90, 0x00])
        let answer = tag.exchange([0x00, 0xb0, 0, 0, 0])
        return Array(try #require(answer).dropLast(2))
    }
}
