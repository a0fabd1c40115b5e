import FileSystem
import LinuxSystem
import Runtime
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

@Suite struct PublishedFolderTests {
    private func names(_ world: PublicationFixture) throws -> [String] { try Files.list(world.out.path) }

    @Test func oldVersionsAreRemovedAfterGracePeriod() throws {
        let world = try PublicationFixture(seed: 1, tags: 40)
        world.deltas = 2
        var manifests: [Manifest] = []
        for _ in 0..<6 {
            manifests.append(try world.publish())
            world.change()
        }
        let now = SystemClock.nowMicroseconds() / 1_000_000
        world.out.prune(keep: 3, nowS: now)
        #expect(try names(world).filter { $0.hasSuffix(".sqlite") } == manifests.suffix(3).map(\.file))
        #expect(try names(world).filter { $0.hasSuffix(".gz") } == manifests.map { $0.file + ".gz" })
        #expect(try names(world).filter { $0.hasPrefix("delta-") }.count == 1 + 2 * 4)
        world.out.prune(keep: 3, nowS: now + PublishedFolder.graceS + 60)
        #expect(try names(world).filter { $0.hasSuffix(".gz") } == manifests.suffix(3).map { $0.file + ".gz" })
        #expect(
            try Set(names(world).filter { $0.hasPrefix("delta-") })
                == Set(manifests.suffix(3).flatMap { ($0.deltas ?? []).map(\.file) }))
        #expect(world.out.published(trusting: world.key.publicKey) == manifests.last)
    }

    @Test func filesOfManifestAreNeverRemoved() throws {
        let world = try PublicationFixture(seed: 2, tags: 40)
        let published = try world.publish()
        // Newer files of exports that were killed before the publication.
        for _ in 0..<3 {
            let made = try world.build()
            _ = try world.out.package(made, after: nil, deltas: 0)
        }
        world.out.prune(keep: 1, nowS: SystemClock.nowMicroseconds() / 1_000_000 + 2 * PublishedFolder.graceS)
        #expect(world.out.published(trusting: world.key.publicKey) == published)
        #expect(try names(world).filter { $0.hasSuffix(".sqlite") }.count == 2)
    }

    /// Leaves the state between the two renames: the new signature with the old manifest.
    private func publishCutOff(_ world: PublicationFixture) throws -> Manifest {
        let old = try Files.read(world.out.path + "/manifest.json")
        let manifest = try world.publish()
        try Files.copy(world.out.path + "/manifest.json", to: world.out.path + "/.building.json")
        try Files.writeAtomically(old, to: world.out.path + "/manifest.json")
        #expect(world.out.published(trusting: world.key.publicKey) == nil)
        return manifest
    }

    /// Scanners must not depend on an available database.
    @Test func interruptedPublicationIsCompletedWithoutDatabase() throws {
        let world = try PublicationFixture(seed: 5, tags: 40)
        try world.publish()
        let settings = SnapshotExporter.Settings(folder: world.out.path, key: world.key)
        let nowhere = "postgresql://x@127.0.0.1:1/x"
        let second = try publishCutOff(world)
        #expect(throws: SnapshotExportError.self) { try SnapshotExporter(databaseURL: nowhere, settings).run() }
        #expect(world.out.published(trusting: world.key.publicKey) == second)
        let third = try publishCutOff(world)
        // A running export does the repair itself.
        do {
            let lock = try FileLock(world.out.lockPath)
            world.out.repairIfIdle(trusting: world.key.publicKey)
            #expect(world.out.published(trusting: world.key.publicKey) == nil)
            withExtendedLifetime(lock) {}
        }
        // The service repairs at its start, even if it is stopped then.
        let stop = StopSignal()
        stop.stop()
        SnapshotService(databaseURL: nowhere, settings).run(stop)
        #expect(world.out.published(trusting: world.key.publicKey) == third)
    }

    @Test func publicationInterruptedBetweenRenamesIsCompleted() throws {
        let world = try PublicationFixture(seed: 3, tags: 40)
        let first = try world.publish()
        let old = try Files.read(world.out.path + "/manifest.json")
        let second = try publishCutOff(world)
        let new = try Files.read(world.out.path + "/.building.json")
        world.out.repair(trusting: world.key.publicKey)
        #expect(world.out.published(trusting: world.key.publicKey) == second)
        #expect(second.version > first.version)
        // A file without a valid signature does not replace the manifest.
        try Files.writeAtomically(old, to: world.out.path + "/manifest.json")
        try Files.writeAtomically(new + [32], to: world.out.path + "/.building.json")
        world.out.repair(trusting: world.key.publicKey)
        #expect(world.out.manifest == first)
        world.out.removeUnfinished()
        #expect(try names(world).allSatisfy { !$0.hasPrefix(".building") })
    }

    @Test func fileWithOtherContentIsNotPackaged() throws {
        let world = try PublicationFixture(seed: 4, tags: 40)
        let first = try world.publish()
        var made = try world.build()
        made.content = first.sha256
        let refusal = #expect(throws: SnapshotRefusal.self) {
            try world.out.package(made, after: first, deltas: 1)
        }
        #expect(refusal?.reason == .content)
        #expect(world.out.published(trusting: world.key.publicKey) == first)
    }

    @Test(
        arguments: [
            ("delta-1-2.changeset", 2), ("delta-1800000001-1800000002.changeset", 1_800_000_002), ("delta-1-2", nil),
            ("delta-1-02.changeset", nil), ("delta--1-2.changeset", nil), ("snapshot-2.sqlite", nil),
            ("delta-1-2-3.changeset", nil), ("delta-1-2.changeset.gz", nil),
        ] as [(String, Int64?)])
    func deltaTargetIsReadFromFileName(name: String, target: Int64?) {
        #expect(PublishedFolder.deltaTarget(of: name) == target)
    }

    @Test(
        arguments: [
            (90, 100, false), (89, 100, true), (0, 0, false), (5, 0, false), (9, 10, false), (8, 9, true), (0, 1, true),
            (899_999, 1_000_000, true), (900_000, 1_000_000, false),
        ] as [(Int64, Int64, Bool)])
    func listBelowNinetyPercentIsShrunk(now: Int64, last: Int64, isShrunk: Bool) {
        #expect(ExportRejection.isShrunk(now, from: last) == isShrunk)
    }
}
