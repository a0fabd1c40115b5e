import FakeCenter
import FileSystem
import Minisign
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// The event and the highest version that a scanner keeps.
@Suite struct SnapshotTrustTests {
    let folder = TemporaryFolder("trust")
    let key = try! MinisignSecretKey.generate()
    let clock = InstallClock(nowS: Sample.created + 600, isSynchronised: true)
    var store: SnapshotStore { SnapshotStore(folder: folder.file("snapshots")) }
    /// Both copies of the trust file.
    var files: [String] { [folder.file("snapshot-trust.json"), folder.file("snapshots/trust.json")] }

    private func offer(_ version: Int64, event: String = Sample.event) throws -> (SnapshotOffer, file: String) {
        let publication = try Publication(folder, version: version, key: key, event: event)
        let offer = try store.offer(
            manifest: publication.manifest, signature: publication.signature, keys: [key.publicKey], clock: clock)
        return (offer, publication.file)
    }

    private func install(_ version: Int64) throws {
        let (offer, file) = try offer(version)
        try store.install(offer, file: file)
    }

    private func reason(_ version: Int64, event: String = Sample.event) throws -> SnapshotRefusal.Reason? {
        do {
            _ = try offer(version, event: event)
            return nil
        } catch let refusal as SnapshotRefusal { return refusal.reason }
    }

    @Test func trustSurvivesRemovalOfSnapshotFolder() throws {
        try install(100)
        try Files.removeFolder(store.folder)
        #expect(store.current() == nil && store.highestVersion == 100 && store.pinnedEvent == Sample.event)
        #expect(try reason(99) == .notNewer)
        #expect(try reason(101, event: "Another") == .event)
        #expect(try reason(101) == nil)
    }

    @Test func oneCopyOfTrustIsEnough() throws {
        try install(100)
        for path in files {
            let bytes = try Files.read(path)
            try Files.remove(path)
            #expect(try reason(99) == .notNewer)
            try Files.writeAtomically([0, 1, 2], to: path)
            #expect(try reason(99) == .notNewer)
            try Files.writeAtomically(bytes, to: path)
        }
    }

    /// A flipped digit must neither admit an older version nor refuse all newer ones.
    @Test func flippedBitDoesNotChangeHighestVersion() throws {
        try install(100)
        try Files.removeFolder(store.folder)
        let path = files[0]
        let whole = try Files.read(path)
        for bit in 0..<whole.count * 8 {
            var altered = whole
            altered[bit / 8] ^= 1 << (bit % 8)
            try Files.writeAtomically(altered, to: path, durable: false)
            let highest = store.highestVersion
            #expect(highest == nil || highest == 100, "bit \(bit): \(highest ?? 0)")
        }
    }

    /// Without both copies the installed manifest is used, and without that the installed file.
    @Test func lostTrustIsDerivedFromCurrentSnapshot() throws {
        try install(100)
        for path in files { try Files.remove(path) }
        #expect(try reason(99) == .notNewer)
        #expect(try offer(100).0.isInstalled)
        try Files.remove(store.folder + "/" + Manifest.fileName)
        #expect(try reason(99) == .notNewer)
        #expect(try reason(101, event: "Another") == .event)
        #expect(try offer(100).0.isInstalled)
        try install(101)
        #expect(files.allSatisfy(Files.exists))
    }

    @Test func offeredVersionIsRecorded() throws {
        let first = try offer(100).0
        try store.recordOffered(first)
        #expect(store.highestVersion == nil, "only the first installation pins the event")
        try install(100)
        try store.recordOffered(offer(105).0)
        #expect(store.highestVersion == 105 && store.currentVersion() == 100)
        for path in files {
            #expect(try reason(104) == .notNewer)
            #expect(try reason(105) == nil)
            // The installed version itself is not refused.
            #expect(try offer(100).0.isInstalled)
            try Files.remove(path)
        }
        // Without both copies only the installed version is known.
        #expect(try reason(104) == nil)
    }

    @Test func earlierOfferBelowHighestOfferedIsRefused() throws {
        try install(100)
        let (older, file) = try offer(101)
        try store.recordOffered(offer(102).0)
        #expect(throws: SnapshotRefusal.self) { try store.install(older, file: file) }
        #expect(store.currentVersion() == 100)
    }

    /// A gate may have the damaged file open, so the new file gets another name.
    @Test func damagedFileIsReplacedUnderAnotherName() throws {
        try install(99)
        try install(100)
        var names: [String] = []
        for _ in 0..<4 {
            let path = try #require(store.current())
            names.append(String(path.dropFirst(store.folder.count + 1)))
            let gate = try Snapshot(path: path)
            let inode = Files.status(path)?.inode
            try Files.writeAtomically([1, 2, 3], to: folder.file("x"))
            try overwrite(path)
            #expect(try !offer(100).0.isInstalled)
            try install(100)
            #expect(store.current() != path && store.currentVersion() == 100)
            #expect(Files.status(path)?.inode == nil || Files.status(path)?.inode == inode)
            #expect(gate.version == 100)
            // The damaged file does not count as the previous snapshot.
            let kept = try Files.list(store.folder).filter { $0.hasPrefix("snapshot-") }
            #expect(kept.count == 2 && kept.contains("snapshot-99.sqlite"), "\(kept)")
        }
        #expect(Set(names) == ["snapshot-100.sqlite", "snapshot-100b.sqlite"])
    }

    /// Overwrites a file in place, as a bad disk may.
    private func overwrite(_ path: String) throws {
        let size = Files.status(path)?.size ?? 0
        try Files.copy(folder.file("x"), to: path)
        #expect(Files.status(path)?.size ?? 0 < size)
    }
}
