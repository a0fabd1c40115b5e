import Compression
import FileSystem
import Glibc
import TestSupport
import Testing

@Suite struct GzipTests {
    let folder = TemporaryFolder("gzip")
    var plain: String { folder.file("plain") }
    var packed: String { folder.file("packed.gz") }
    var back: String { folder.file("back") }

    /// Compresses the file in one part.
    private func pack() throws {
        let size = Files.status(plain)?.size ?? 0
        let part = try Gzip.compressPart(of: plain, 0..<size, isLast: true, to: folder.file("part"), level: 9)
        try Gzip.join([part], to: packed)
    }

    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) } }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 1_000_000])
    func contentRoundTrips(count: Int) throws {
        try Files.writeAtomically(bytes(count), to: plain)
        try pack()
        try Gzip.expand(packed, to: back, limitBytes: count)
        #expect(try Files.read(back) == bytes(count))
        #expect(try Files.read(packed).starts(with: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]))
    }

    @Test func expansionIsLimited() throws {
        try Files.writeAtomically([UInt8](repeating: 0, count: 10_000_000), to: plain)
        try pack()
        #expect(throws: GzipError.self) { try Gzip.expand(packed, to: back, limitBytes: 9_999_999) }
        #expect(!Files.exists(back))
    }

    @Test func damageIsDetected() throws {
        try Files.writeAtomically(bytes(200_000), to: plain)
        try pack()
        let whole = try Files.read(packed)
        var flipped = whole
        flipped[whole.count / 2] ^= 4
        for damaged in [Array(whole.dropLast(1)), Array(whole.prefix(100)), [], whole + [0], whole + whole, flipped] {
            try Files.writeAtomically(damaged, to: packed)
            let error = #expect(throws: GzipError.self) { try Gzip.expand(packed, to: back, limitBytes: 1 << 30) }
            #expect(error?.code == nil)
            #expect(!Files.exists(back))
        }
        // An error of the file system has its errno.
        try Files.writeAtomically(whole, to: packed)
        let error = #expect(throws: GzipError.self) { try Gzip.expand(packed, to: "/dev/full/x", limitBytes: 1 << 30) }
        #expect(error?.code == ENOTDIR)
    }

    @Test func existingFileIsNotOverwritten() throws {
        try Files.writeAtomically([1], to: plain)
        try Files.writeAtomically([2], to: packed)
        #expect(throws: GzipError.self) { try pack() }
        #expect(try Files.read(packed) == [2])
    }

    /// Parts of any size, including empty ones, form one valid gzip file.
    @Test(arguments: [[0], [1], [0, 0, 5], [65_536, 65_536], [1, 65_535, 200_000, 0], [300_000, 1, 0, 70_000]])
    func joinedPartsAreOneFile(sizes: [Int]) throws {
        let all = bytes(sizes.reduce(0, +))
        try Files.writeAtomically(all, to: plain)
        var (parts, start) = ([Gzip.Part](), 0)
        for (index, size) in sizes.enumerated() {
            parts.append(
                try Gzip.compressPart(
                    of: plain, start..<start + size, isLast: index == sizes.count - 1, to: folder.file("part-\(index)"),
                    level: 5))
            start += size
        }
        try Gzip.join(parts, to: packed)
        var back: [UInt8] = []
        try Gzip.expand(packed, limitBytes: all.count) { back += $0 }
        #expect(back == all)
        #expect(throws: GzipError.self) { try Gzip.expand(packed, limitBytes: all.count - 1) { _ in } }
        #expect(try Run.succeeding("gzip", ["-t", packed]).lines.isEmpty)
        #expect(try Files.list(folder.path) == ["packed.gz", "plain"])
    }

    @Test func partBeyondEndOfFileIsAnError() throws {
        try Files.writeAtomically(bytes(10), to: plain)
        #expect(throws: GzipError.self) {
            try Gzip.compressPart(of: plain, 5..<11, isLast: true, to: packed, level: 5)
        }
        #expect(!Files.exists(packed))
    }
}
