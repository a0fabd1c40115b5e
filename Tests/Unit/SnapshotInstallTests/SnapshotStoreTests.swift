import DataFolder
import FakeCenter
import FileSystem
import LinuxSystem
import Minisign
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// Installation of valid snapshots, and its failures.
@Suite struct SnapshotStoreTests: StoreFixture {
    let folder = TemporaryFolder("store")
    let key = try! MinisignSecretKey.generate()

    @Test func validSnapshotIsInstalled() throws {
        #expect(store.current() == nil && store.installed() == nil && store.highestVersion == nil)
        let publication = try published(100)
        try install(publication)
        #expect(store.currentVersion() == 100)
        #expect(store.pinnedEvent == Sample.event)
        #expect(store.installed()?.version == 100)
        #expect(try Files.read(folder.file("snapshots/manifest.json")) == publication.manifest)
        #expect(try Files.read(folder.file("snapshots/manifest.json.minisig")) == publication.signature)
        #expect(!Files.exists(publication.file))
        let path = try #require(store.current())
        #expect(try Snapshot(path: path).attendee(TagID(rawValue: 5))?.status == .blocked)
    }

    /// The disk fails between the file and the pointer. The new file must not count as a previous snapshot.
    @Test func failedInstallationLeavesNoSnapshotFile() throws {
        try install(published(100))
        try Files.remove(folder.file("snapshots/manifest.json"))
        try Files.makeFolder(folder.file("snapshots/manifest.json"))
        #expect(throws: SystemError.self) { try install(published(101)) }
        #expect(store.currentVersion() == 100)
        #expect(try Files.list(store.folder).filter { $0.hasPrefix("snapshot-1") } == ["snapshot-100.sqlite"])
        try Files.removeFolder(folder.file("snapshots/manifest.json"))
        try install(published(102))
        #expect(store.currentVersion() == 102)
    }

    @Test func newerVersionIsInstalledAndPreviousStays() throws {
        for version: Int64 in [100, 101, 102] { try install(published(version)) }
        #expect(store.currentVersion() == 102)
        let names = try Files.list(store.folder).filter { $0.hasPrefix("snapshot-") }
        #expect(names == ["snapshot-101.sqlite", "snapshot-102.sqlite"])
    }

    private var snapshotNames: [String] {
        get throws { try Files.list(store.folder).filter { $0.hasPrefix("snapshot-") }.sorted() }
    }

    /// A gate with the first key decides from 101, and must find it after a restart.
    @Test func newestSnapshotOfEachEventKeyStays() throws {
        let (first, second) = (String(repeating: "1", count: 16), String(repeating: "2", count: 16))
        for (version, eventKey): (Int64, String) in [
            (100, first), (101, first), (102, second), (103, second), (104, second),
        ] {
            try install(Publication(folder, version: version, key: key, eventKey: eventKey))
        }
        #expect(try snapshotNames == ["snapshot-101.sqlite", "snapshot-103.sqlite", "snapshot-104.sqlite"])
        #expect(store.hasSnapshot(of: first))
    }

    @Test func snapshotThatTheGateUsesStays() throws {
        try install(published(100))
        try GateState(
            pid: 1, scanner: "north-1", journal: "", reader: "stdin", software: "1", startedS: 1, snapshot: 100
        ).write(folder: folder.path)
        for version: Int64 in 101...104 { try install(published(version)) }
        #expect(try snapshotNames == ["snapshot-100.sqlite", "snapshot-103.sqlite", "snapshot-104.sqlite"])
    }

    @Test func installedSnapshotIsOfferedAsInstalled() throws {
        let publication = try published(100)
        try install(publication)
        #expect(try offer(publication).isInstalled)
        // Also after its expiry.
        let late = InstallClock(nowS: Sample.expires + 1, isSynchronised: true)
        #expect(try offer(publication, clock: late).isInstalled)
    }

    @Test func damagedFileIsReplacedByTheSameVersion() throws {
        try install(published(100))
        let path = try #require(store.current())
        var bytes = try Files.read(path)
        bytes[bytes.count - 10] ^= 1
        try Files.writeAtomically(bytes, to: path)
        let again = try published(100)
        #expect(try !offer(again).isInstalled)
        try install(again)
        #expect(try offer(again).isInstalled)
    }

    @Test func anyTrustedKeyIsAccepted() throws {
        let other = try MinisignSecretKey.generate().publicKey
        #expect(try offer(published(100), keys: [other, key.publicKey]).manifest.version == 100)
    }

    @Test func installationFailsWhileLockIsHeld() throws {
        try install(published(100))
        let lock = try FileLock(store.folder + "/install.lock")
        let publication = try published(101)
        #expect(throws: FileLock.Held.self) { try install(publication) }
        withExtendedLifetime(lock) {}
        #expect(store.currentVersion() == 100)
    }

    /// As after a power cut between the steps of an installation: the pointer still names the old file.
    @Test func interruptedInstallationIsRepeated() throws {
        try install(published(100))
        let pointer = try Files.read(store.folder + "/current")
        try install(published(101))
        try Files.writeAtomically(pointer, to: store.folder + "/current")
        #expect(store.currentVersion() == 100)
        #expect(store.installed() == nil)
        let again = try published(101)
        #expect(try !offer(again).isInstalled)
        try install(again)
        #expect(store.currentVersion() == 101)
    }
}
