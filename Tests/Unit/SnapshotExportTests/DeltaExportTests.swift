import Crypto
import FileSystem
import SQLite
import Snapshots
import TestSupport
import Testing

@testable import SnapshotExport

@Suite struct DeltaExportTests {
    /// After random changes, each delta of each manifest gives the rows of its target version.
    @Test(arguments: [1, 2])
    func listedDeltaGivesNewRows(seed: UInt64) throws {
        let world = try PublicationFixture(seed: seed, tags: 400)
        var proved = 0
        for step in 1...20 {
            let manifest = try world.publish()
            let deltas = try #require(manifest.deltas)
            #expect(deltas.map(\.from) == ((world.version - Int64(deltas.count))..<world.version).reversed())
            #expect(deltas.count == min(step - 1, 6), "seed \(seed), step \(step)")
            for delta in deltas {
                #expect(delta.file == Manifest.Delta.fileName(from: delta.from, to: manifest.version))
                let path = world.out.path + "/" + delta.file
                #expect(Files.status(path)?.size == Int(delta.size))
                #expect(try Files.sha256Hex(path) == delta.sha256)
                #expect(try world.content(after: delta) == manifest.content, "seed \(seed), step \(step)")
                proved += 1
            }
            world.change()
            world.out.prune(keep: 3)
        }
        #expect(proved > 80)
    }

    @Test func deltaOfOneRevocationHasAtMost300Bytes() throws {
        let world = try PublicationFixture(seed: 4, tags: 2_000)
        try world.publish()
        let tag = try #require(world.tags.keys.min())
        world.revoke(tag)
        let delta = try #require(try world.publish().deltas?.first)
        #expect(delta.size < 300)
    }

    @Test func deltaLongerThanHalfTheFileIsNotListed() throws {
        let world = try PublicationFixture(seed: 5, tags: 300)
        try world.publish()
        world.tags = [:]
        for _ in 0..<300 { world.add() }
        #expect(try world.publish().deltas == [])
        // No older delta exists that could be joined.
        let tag = try #require(world.tags.keys.min())
        world.revoke(tag)
        #expect(try world.publish().deltas?.map(\.from) == [world.version - 1])
    }

    @Test(
        arguments: [(0, 10_000), (40_000, 10_000), (40_004, 10_001), (1_000_000, 250_000)] as [(Int64, Int)])
    func comparisonIsLimitedToQuarterOfLargeList(tags: Int64, rows: Int) {
        #expect(Deltas.limitRows(tags: tags) == rows)
    }

    @Test func deltaOfTooManyRowsIsNotMade() throws {
        let world = try PublicationFixture(seed: 10, tags: Deltas.fewRows / 2 + 100)
        let first = try world.publish()
        let deltas = Deltas(folder: world.out, limit: 1)
        // No row has changed, but the version in `meta` has.
        #expect(try #require(deltas.changeset(from: first, to: world.build())).count > 0)
        world.out.removeUnfinished()
        let count = world.tags.count
        world.tags = [:]
        for _ in 0..<count { world.add() }
        #expect(try deltas.changeset(from: first, to: world.build()) == nil)
    }

    @Test func noDeltaIsMadeFromAlteredFile() throws {
        let world = try PublicationFixture(seed: 6, tags: 300)
        let first = try world.publish()
        let path = world.out.path + "/" + first.file
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 1
        try Files.writeAtomically(bytes, to: path)
        #expect(try world.publish().deltas == [])
        // The next delta starts from an intact file.
        #expect(try world.publish().deltas?.count == 1)
    }

    @Test func alteredOlderDeltaIsNotJoined() throws {
        let world = try PublicationFixture(seed: 7, tags: 300)
        try world.publish()
        let second = try world.publish()
        let delta = try #require(second.deltas?.first)
        var bytes = try Files.read(world.out.path + "/" + delta.file)
        bytes[bytes.count - 1] ^= 1
        try Files.writeAtomically(bytes, to: world.out.path + "/" + delta.file)
        #expect(try world.publish().deltas?.map(\.from) == [second.version])
    }

    @Test func noDeltaIsMadeIfLimitIsZero() throws {
        let world = try PublicationFixture(seed: 8, tags: 50)
        world.deltas = 0
        try world.publish()
        #expect(try world.publish().deltas == [])
    }

    @Test func manifestWithMostDeltasStaysBelowLimit() throws {
        let world = try PublicationFixture(seed: 9, tags: 5)
        var manifest = try world.publish()
        let far: Int64 = 9_007_199_254_740_000
        manifest.deltas = SnapshotExporter.deltasRange.dropFirst().map {
            let from = far - Int64($0)
            return Manifest.Delta(
                from: from, file: Manifest.Delta.fileName(from: from, to: far), size: 1 << 30,
                sha256: manifest.sha256)
        }
        #expect(try manifest.json().count < Manifest.maxBytes / 2)
    }
}
