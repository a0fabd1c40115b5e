import Runtime
import Support
import Testing
import Zlib

@Suite struct GzipTests {
    let folder = TemporaryFolder("gzip")
    var plain: String { folder.file("plain") }
    var packed: String { folder.file("packed.gz") }
    var back: String { folder.file("back") }

    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) } }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 1_000_000])
    func thereAndBack(count: Int) throws {
        try Files.writeAtomically(bytes(count), to: plain)
        try Gzip.compress(plain, to: packed)
        try Gzip.expand(packed, to: back, limitBytes: count)
        #expect(try Files.read(back) == bytes(count))
        #expect(try Files.read(packed).starts(with: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]))
    }

    @Test func theLimitHolds() throws {
        try Files.writeAtomically([UInt8](repeating: 0, count: 10_000_000), to: plain)
        try Gzip.compress(plain, to: packed)
        #expect(throws: GzipError.self) { try Gzip.expand(packed, to: back, limitBytes: 9_999_999) }
        #expect(!Files.exists(back))
    }

    @Test func damageIsSeen() throws {
        try Files.writeAtomically(bytes(200_000), to: plain)
        try Gzip.compress(plain, to: packed)
        let whole = try Files.read(packed)
        var flipped = whole
        flipped[whole.count / 2] ^= 4
        for damaged in [Array(whole.dropLast(1)), Array(whole.prefix(100)), [], whole + [0], whole + whole, flipped] {
            try Files.writeAtomically(damaged, to: packed)
            #expect(throws: GzipError.self) { try Gzip.expand(packed, to: back, limitBytes: 1 << 30) }
            #expect(!Files.exists(back))
        }
    }

    @Test func neverOverwrites() throws {
        try Files.writeAtomically([1], to: plain)
        try Files.writeAtomically([2], to: packed)
        #expect(throws: GzipError.self) { try Gzip.compress(plain, to: packed) }
        #expect(try Files.read(packed) == [2])
    }
}
