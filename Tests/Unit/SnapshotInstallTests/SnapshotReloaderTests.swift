import FakeCenter
import FileSystem
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

@testable import Snapshots

@Suite struct SnapshotWatchTests {
    let folder = TemporaryFolder("snapshots")

    private func put(_ version: Int64) throws {
        try Sample.write(folder.path + "/" + SnapshotFileName.of(version), version: version)
    }
    private func point(to name: String) throws {
        try Files.writeAtomically(Array((name + "\n").utf8), to: folder.path + "/current")
    }

    @Test func handsOverEachSnapshotOnce() throws {
        let watch = SnapshotReloader(SnapshotStore(folder: folder.path))
        watch.check()
        #expect(watch.take() == nil)
        try put(1)
        try point(to: "snapshot-1.sqlite")
        watch.check()
        let first = try #require(watch.take())
        #expect(first.version == 1)
        watch.check()
        #expect(watch.take() == nil)
        try put(2)
        try point(to: "snapshot-2.sqlite")
        watch.check()
        #expect(watch.take()?.version == 2)
        // The one that was handed out before still answers.
        #expect(try first.attendee(TagID(rawValue: 5))?.status == .blocked)
    }

    @Test func aDamagedFileChangesNothing() throws {
        let watch = SnapshotReloader(SnapshotStore(folder: folder.path))
        try put(1)
        try point(to: "snapshot-1.sqlite")
        watch.check()
        #expect(watch.take()?.version == 1)
        #expect(!watch.isOlderThanCurrent)
        try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-2.sqlite")
        try point(to: "snapshot-2.sqlite")
        watch.check()
        #expect(watch.take() == nil)
        // And that is known, until a good one comes.
        #expect(watch.isOlderThanCurrent)
        try put(3)
        try point(to: "snapshot-3.sqlite")
        watch.check()
        #expect(watch.take()?.version == 3 && !watch.isOlderThanCurrent)
    }

    @Test func aFileThatMendsAnotherIsHandedOver() throws {
        let watch = SnapshotReloader(SnapshotStore(folder: folder.path))
        try put(1)
        try point(to: "snapshot-1.sqlite")
        watch.check()
        #expect(watch.take()?.version == 1)
        try Sample.write(folder.path + "/snapshot-1b.sqlite", version: 1)
        try point(to: "snapshot-1b.sqlite")
        watch.check()
        #expect(watch.take()?.path.hasSuffix("/snapshot-1b.sqlite") == true)
    }

    @Test func atTheStartAnOlderOneServesForADamagedOne() throws {
        try put(1)
        try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-2.sqlite")
        try point(to: "snapshot-2.sqlite")
        let watch = SnapshotReloader(SnapshotStore(folder: folder.path))
        watch.check()
        #expect(watch.take()?.version == 1)
    }

    @Test(arguments: [
        "../snapshot-1.sqlite", "snapshot-01.sqlite", "snapshot-01b.sqlite", "snapshot-1bb.sqlite", "snapshot-b.sqlite",
        "snapshot--1.sqlite", "snapshot-1.sqlite.x", "", "x",
    ])
    func thePointerNamesOnlySnapshots(name: String) throws {
        try point(to: name)
        #expect(SnapshotStore(folder: folder.path).current() == nil)
    }
}
