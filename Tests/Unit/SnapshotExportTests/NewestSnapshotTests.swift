import FileSystem
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

@Suite struct NewestSnapshotTests {
    @Test func publishedFolderMeansFileOfItsManifest() throws {
        let world = try PublicationFixture(seed: 1, tags: 3)
        #expect(throws: SnapshotExportError.self) { try NewestSnapshot.file(world.out.path) }
        let manifest = try world.publish()
        let file = world.out.path + "/" + manifest.file
        #expect(try NewestSnapshot.file(world.out.path) == file)
        #expect(try NewestSnapshot.file(file) == file)
    }

    @Test func scannerFolderMeansInstalledFileAlsoAfterRepair() throws {
        let world = try PublicationFixture(seed: 2, tags: 3)
        let manifest = try world.publish()
        func offer(_ store: SnapshotStore) throws -> SnapshotOffer {
            let (bytes, signature) = (
                try Files.read(world.out.path + "/manifest.json"),
                try Files.read(world.out.path + "/manifest.json.minisig")
            )
            return try store.offer(
                manifest: bytes, signature: signature, keys: [world.key.publicKey],
                clock: InstallClock(nowS: manifest.created, isSynchronised: true))
        }
        let store = SnapshotStore(folder: world.folder.file("snapshots"))
        for _ in 0..<2 {
            let offered = try offer(store)
            try Files.makeFolder(store.folder)
            try Files.copy(world.out.path + "/" + manifest.file, to: store.candidatePath(for: manifest))
            try store.install(offered, file: store.candidatePath(for: manifest))
            #expect(try NewestSnapshot.file(store.folder) == store.current())
            // A damaged block: the next round replaces the file.
            try Files.put([0xa5, 0x5a], into: NewestSnapshot.file(store.folder), at: 5_000)
        }
        #expect(
            try Files.list(store.folder).filter { $0.hasSuffix(".sqlite") } == ["snapshot-\(manifest.version)b.sqlite"])
    }
}
