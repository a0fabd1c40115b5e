import FakeCenter
import FileSystem
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

@testable import Snapshots

@Suite struct SnapshotReloaderTests {
    let folder = TemporaryFolder("snapshots")

    private func writeSnapshot(_ version: Int64) throws {
        try Sample.write(folder.path + "/" + SnapshotFileName.of(version), version: version)
    }
    private func point(to name: String) throws {
        try Files.writeAtomically(Array((name + "\n").utf8), to: folder.path + "/current")
    }

    @Test func eachSnapshotIsTakenOnce() throws {
        let reloader = SnapshotReloader(SnapshotStore(folder: folder.path))
        reloader.check()
        #expect(reloader.nextSnapshot() == nil)
        try writeSnapshot(1)
        try point(to: "snapshot-1.sqlite")
        reloader.check()
        let first = try #require(reloader.nextSnapshot())
        #expect(first.version == 1)
        reloader.check()
        #expect(reloader.nextSnapshot() == nil)
        try writeSnapshot(2)
        try point(to: "snapshot-2.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 2)
        // The snapshot taken before can still be read.
        #expect(try first.attendee(TagID(rawValue: 5))?.status == .blocked)
    }

    @Test func damagedFileLeavesTheOldSnapshot() throws {
        let reloader = SnapshotReloader(SnapshotStore(folder: folder.path))
        try writeSnapshot(1)
        try point(to: "snapshot-1.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 1)
        #expect(!reloader.isOlderThanCurrent)
        try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-2.sqlite")
        try point(to: "snapshot-2.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot() == nil)
        // Reported until a readable snapshot is installed.
        #expect(reloader.isOlderThanCurrent)
        try writeSnapshot(3)
        try point(to: "snapshot-3.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 3 && !reloader.isOlderThanCurrent)
    }

    @Test func damagedFileAfterOneOfAnotherKeyIsNamedAsSuch() throws {
        let (own, other) = (String(repeating: "1", count: 16), String(repeating: "2", count: 16))
        let reloader = SnapshotReloader(SnapshotStore(folder: folder.path), keyFingerprint: own)
        try Sample.write(folder.path + "/snapshot-1.sqlite", version: 1, key: own)
        try point(to: "snapshot-1.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 1)
        try Sample.write(folder.path + "/snapshot-2.sqlite", version: 2, key: other)
        try point(to: "snapshot-2.sqlite")
        reloader.check()
        #expect(reloader.isCurrentOfOtherKey && !reloader.isOlderThanCurrent)
        try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-3.sqlite")
        try point(to: "snapshot-3.sqlite")
        reloader.check()
        #expect(!reloader.isCurrentOfOtherKey && reloader.isOlderThanCurrent)
        #expect(reloader.nextSnapshot() == nil)
    }

    @Test func replacementOfSameVersionIsTaken() throws {
        let reloader = SnapshotReloader(SnapshotStore(folder: folder.path))
        try writeSnapshot(1)
        try point(to: "snapshot-1.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 1)
        try Sample.write(folder.path + "/snapshot-1b.sqlite", version: 1)
        try point(to: "snapshot-1b.sqlite")
        reloader.check()
        #expect(reloader.nextSnapshot()?.path.hasSuffix("/snapshot-1b.sqlite") == true)
    }

    @Test func olderSnapshotIsOpenedAtStartIfNewestIsDamaged() throws {
        try writeSnapshot(1)
        try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-2.sqlite")
        try point(to: "snapshot-2.sqlite")
        let reloader = SnapshotReloader(SnapshotStore(folder: folder.path))
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 1)
    }

    @Test(arguments: [
        "../snapshot-1.sqlite", "snapshot-01.sqlite", "snapshot-01b.sqlite", "snapshot-1bb.sqlite", "snapshot-b.sqlite",
        "snapshot--1.sqlite", "snapshot-1.sqlite.x", "", "x",
    ])
    func invalidPointerNamesNoSnapshot(name: String) throws {
        try point(to: name)
        #expect(SnapshotStore(folder: folder.path).current() == nil)
    }
}
