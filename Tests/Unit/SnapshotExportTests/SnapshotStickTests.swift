import FileSystem
import LinuxSystem
import Minisign
import Snapshots
import TestSupport
import Testing

@testable import SnapshotExport

/// A copy for scanners without a network takes nothing away from its folder.
@Suite struct SnapshotStickTests {
    private let world: PublicationFixture
    private var stick: String { world.folder.file("stick") }

    init() throws {
        world = try PublicationFixture(seed: 9, tags: 20)
        world.version = SystemClock.nowMicroseconds() / 1_000_000 - 1_000
        try world.publish()
    }

    @discardableResult
    private func copy(from source: String? = nil, to target: String? = nil) throws -> SnapshotStick {
        try SnapshotStick(from: source ?? world.out.path, to: target ?? stick, keys: [world.key.publicKey])
    }

    private func refusal(from source: String? = nil, to target: String? = nil) throws -> String {
        do { throw TestFailure("copied: \(try copy(from: source, to: target).manifest.version)") } catch let error
            as SnapshotExportError
        { return "\(error)" }
    }

    private func names(_ path: String) throws -> [String] { try Files.list(path).sorted() }

    @Test func newerCopyIsNotReplacedByAnOlderOne() throws {
        let older = world.folder.file("older")
        try copy(to: older)
        world.change()
        let newest = try world.publish().version
        #expect(try copy().manifest.version == newest)
        let before = try names(stick)
        #expect(try refusal(from: older).contains("holds version \(newest), which is newer than version \(newest - 1)"))
        #expect(try names(stick) == before)
        #expect(try copy(to: older).manifest.version == newest, "an older copy is replaced")
    }

    @Test func publishedFolderIsNotOverwritten() throws {
        try copy()
        // Each export leaves its lock file.
        try Files.writeAtomically([], to: world.out.lockPath)
        let before = try names(world.out.path)
        #expect(try refusal(from: stick, to: world.out.path).contains("is a folder that exports publish in"))
        #expect(try names(world.out.path) == before)
        #expect(try copy().manifest.version == world.version, "the lock file is not copied")
    }

    @Test func copyOfAnotherEventIsKept() throws {
        var manifest = try copy().manifest
        manifest.event = "Other"
        let kept = try manifest.json()
        try Files.writeAtomically(kept, to: stick + "/" + Manifest.fileName)
        #expect(try refusal().contains("holds the snapshot of another event, 'Other'"))
        #expect(try Files.read(stick + "/" + Manifest.fileName) == kept)
    }
}
