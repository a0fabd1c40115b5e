import FakeCenter
import FileSystem
import Minisign
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// A scanner goes by the UUID of its event. The name is a label.
@Suite struct SnapshotEventTests: StoreFixture {
    let folder = TemporaryFolder("event")
    let key = try! MinisignSecretKey.generate()
    private let id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    private let otherID = "6ba7b810-9dad-41d1-80b4-00c04fd430c9"

    private func install(_ version: Int64, _ event: String, _ id: String?) throws {
        try install(Publication(folder, version: version, key: key, event: event, eventID: id))
    }

    private func refused(_ version: Int64, _ event: String, _ id: String?) throws -> SnapshotRefusal? {
        do { try install(version, event, id) } catch let refusal as SnapshotRefusal { return refusal }
        return nil
    }

    @Test func renamedEventIsInstalled() throws {
        try install(100, "Fair", id)
        try install(101, "Fair 2026", id)
        #expect(store.currentVersion() == 101 && store.pinnedEvent == "Fair 2026")
    }

    @Test func pinnedNameIsUpgradedToTheID() throws {
        try install(100, "Fair", nil)
        #expect(try refused(101, "Another", id)?.reason == .event)
        try install(101, "Fair", id)
        try install(102, "Renamed", id)
        #expect(try refused(103, "Renamed", otherID)?.reason == .event)
    }

    @Test func otherIDWithTheSameNameIsRefused() throws {
        try install(100, "Fair", id)
        let refusal = try #require(try refused(101, "Fair", otherID))
        #expect(refusal.reason == .event && refusal.detail.contains(id) && refusal.detail.contains(otherID))
        #expect(store.currentVersion() == 100)
    }

    @Test func refusalAdvisesToUploadAndNotToEmptyTheFolder() throws {
        try install(100, "Fair", id)
        let detail = try #require(try refused(101, "Fair", otherID)).detail
        #expect(detail.contains("upload its scans first (tapline-publisher ship)"))
        #expect(detail.contains("another data folder") && !detail.contains("empty"))
    }

    @Test func snapshotWithoutIDKeepsThePinnedID() throws {
        try install(100, "Fair", id)
        try install(101, "Fair", nil)
        #expect(try refused(102, "Fair", otherID)?.reason == .event)
        try install(102, "Renamed", id)
        for path in [folder.file("snapshot-trust.json"), store.folder + "/trust.json"] { try Files.remove(path) }
        #expect(try refused(103, "Renamed", otherID)?.reason == .event, "the pin is derived from the manifest")
    }

    @Test func valuesOfManifestAndFileMustBeEqual() throws {
        let publication = try Publication(folder, version: 100, key: key, eventID: id, eventKey: "00112233aabbccdd") {
            $0.key = "00112233aabbccde"
        }
        #expect(try refusal { try install(publication) } == .meta)
        let absent = try Publication(folder, version: 101, key: key, eventID: nil) { $0.eventID = id }
        #expect(try refusal { try install(absent) } == .meta)
    }

    @Test(arguments: ["", "x", "6BA7B810-9DAD-41D1-80B4-00C04FD430C8", "6ba7b8109dad41d180b400c04fd430c8"])
    func manifestWithAnInvalidIDIsMalformed(text: String) throws {
        let publication = try Publication(folder, version: 100, key: key) { $0.eventID = text }
        #expect(try refusal { try install(publication) } == .malformed)
    }
}
