import FileSystem
import Minisign
import Postgres
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import SnapshotExport

/// The event's UUID and key on their way from the registry to a scanner, and the tools that compare them.
@Suite struct EventIdentityTests {
    private let fair: ExportFixture
    private let key = Array(UInt8(7)..<39)
    private var fingerprint: String { EventKey(key)!.fingerprint }

    init() throws { fair = try ExportFixture() }

    private func install(_ folder: String) throws -> Int64 {
        let offer = try fair.store.offer(
            manifest: Files.read(folder + "/manifest.json"), signature: Files.read(folder + "/manifest.json.minisig"),
            keys: [fair.key.publicKey])
        let candidate = fair.folder.file("candidate")
        try Files.copy(folder + "/" + offer.manifest.file, to: candidate)
        return try fair.store.install(offer, file: candidate)
    }

    @Test func renamedEventIsStillInstalledByItsScanners() throws {
        let first = try fair.export()
        #expect(try first.eventID == fair.rows("SELECT id FROM tapline.event").first)
        #expect(try install(fair.out) == first.version)
        try fair.connection.execute("UPDATE tapline.event SET name = 'Fair 2026'")
        let renamed = try fair.export()
        #expect(renamed.event == "Fair 2026" && renamed.eventID == first.eventID && renamed.deltas?.count == 1)
        #expect(try fair.check() == renamed)
        #expect(try install(fair.out) == renamed.version)
        try fair.connection.execute("DELETE FROM tapline.snapshots; UPDATE tapline.event SET id = gen_random_uuid()")
        #expect(throws: SnapshotExportError.self, "the folder belongs to the other event") { try fair.export() }
        try Files.remove(fair.out + "/" + Manifest.fileName)
        let foreign = try #require(try fair.export().eventID)
        let refusal = try #require(throws: SnapshotRefusal.self) { try install(fair.out) }
        #expect(refusal.reason == .event && refusal.detail.contains(foreign))
    }

    @Test func eventNamedByTheExportHasNoID() throws {
        let nameless = try ExportFixture(event: nil)
        nameless.settings.event = "Given"
        let manifest = try nameless.export()
        #expect(manifest.event == "Given" && manifest.eventID == nil)
    }

    @Test func knownKeyIsPublishedAndCompared() throws {
        fair.settings.freshSinceS = 0
        #expect(try fair.export().key == nil)
        try fair.connection.execute("UPDATE tapline.event SET key_fingerprint = '\(fingerprint)'")
        let manifest = try fair.export()
        #expect(manifest.key == fingerprint, "a new key is published although no row has changed")
        let snapshot = try fair.open(manifest)
        #expect(snapshot.keyFingerprint == fingerprint && snapshot.codeCase == .exact)
        let (own, other) = (fair.folder.file("own.key"), fair.folder.file("other.key"))
        try Files.writeAtomically(key, to: own, mode: 0o600)
        try Files.writeAtomically(Array(UInt8(8)..<40), to: other, mode: 0o600)
        let trusted = fair.key.publicKey.base64
        for command in [
            ["verify", fair.out, "--trust-key", trusted], ["inspect", fair.out],
            ["explain", fair.out, "--uid", "04010203"],
        ] {
            let good = try Run.it("tapline-snapshot", command + ["--event-key-file", own])
            #expect(good.end == .exit(0), "\(good.errors)")
            let bad = try Run.it("tapline-snapshot", command + ["--event-key-file", other])
            #expect(bad.end == .exit(78) && bad.errors.contains(fingerprint), "\(bad.errors)")
        }
    }

    @Test func eventKeyIsCreatedPrivateAndNeverOverwritten() throws {
        let path = fair.folder.file("event.key")
        let made = try Run.succeeding("tapline-center", ["event", "key", "--out", path])
        let bytes = try Files.read(path)
        #expect(bytes.count == 32 && Files.status(path).map { $0.mode & 0o777 } == 0o600)
        let fingerprint = try #require(EventKey(bytes)).fingerprint
        #expect(made.lines.contains("fingerprint \(fingerprint)"))
        let again = try Run.it("tapline-center", ["event", "key", "--out", path])
        #expect(again.end == .exit(78) && again.errors.contains("never overwritten"))
        #expect(try Files.read(path) == bytes)
        let shown = try Run.succeeding("tapline-center", ["event", "key", "--event-key-file", path])
        #expect(shown.lines == ["fingerprint \(fingerprint)"])
    }

    @Test func refusalsNameTheCommandThatHelps() throws {
        func center(_ words: String...) throws -> Run {
            try Run.it("tapline-center", words + ["--database-url", fair.database.url])
        }
        let list = fair.folder.file("list.csv")
        try Files.writeAtomically(Array("uid,name,zones\n04010203,Ada,hal\n".utf8), to: list)
        let (own, other) = (fair.folder.file("own.key"), fair.folder.file("other.key"))
        try Files.writeAtomically(key, to: own, mode: 0o600)
        try Files.writeAtomically(Array(UInt8(8)..<40), to: other, mode: 0o600)
        let unknown = try center("import", list, "--event-key-file", own)
        #expect(unknown.end == .exit(1) && unknown.errors.contains("'hall'") && unknown.errors.contains("--make-zones"))
        let first = try center("import", list, "--event-key-file", own, "--make-zones")
        #expect(first.end == .exit(0) && first.lines.contains { $0.hasPrefix("warning") && $0.contains(fingerprint) })
        // Now a tag of this key is registered.
        #expect(try center("import", list, "--event-key-file", own).end == .exit(0))
        let foreign = try center("import", list, "--event-key-file", other)
        #expect(foreign.end == .exit(78) && foreign.errors.contains("tapline-center event key"))
        let zone = try center("event", "set", "--time-zone", "UTC+4")
        #expect(zone.end == .exit(78) && zone.errors.contains("Asia/Dubai") && zone.errors.contains("--time-zone"))
        let set = try center("event", "set", "--time-zone", "Asia/Dubai")
        #expect(set.lines.count == 3 && set.lines[1] == "codes: exact; event key: \(fingerprint)")
        #expect(set.lines[2].contains("local time") && set.lines[2].contains("UTC"))
        let fold = try center("event", "set", "--code-case", "fold")
        #expect(fold.end == .exit(78) && fold.errors.contains("--allow-unknown-tags"))
        let wrong = try center("event", "set", "--event-key-file", other)
        #expect(wrong.end == .exit(78) && wrong.errors.contains("--allow-unknown-tags"))
        #expect(try center("zone", "remove", "site").errors.contains("'main'"))
    }
}
