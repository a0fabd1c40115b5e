import FakeCenter
import FileSystem
import Glibc
import LinuxSystem
import Minisign
import SQLite
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// Each refusal of contract.md section 6, at the store.
@Suite struct SnapshotStoreTests {
    let folder = TemporaryFolder("store")
    let key = try! MinisignSecretKey.generate()
    let clock = InstallClock(nowS: Sample.created + 600, isSynchronised: true)
    var store: SnapshotStore { SnapshotStore(folder: folder.file("snapshots")) }

    private func published(
        _ version: Int64, event: String = Sample.event, created: Int64 = Sample.created,
        expires: Int64 = Sample.expires, extra: Int64 = 0, change: (inout Manifest) -> Void = { _ in }
    ) throws -> Publication {
        try Publication(
            folder, version: version, key: key, event: event, created: created, expires: expires, extra: extra,
            change: change)
    }

    private func offer(
        _ publication: Publication, keys: [MinisignPublicKey]? = nil, clock: InstallClock? = nil
    ) throws(SnapshotRefusal) -> SnapshotOffer {
        try store.offer(
            manifest: publication.manifest, signature: publication.signature, keys: keys ?? [key.publicKey],
            clock: clock ?? self.clock)
    }

    private func install(_ publication: Publication) throws {
        try store.install(offer(publication), file: publication.file)
    }

    /// Returns the reason with which `body` is refused; `nil` if it is not refused.
    private func refusal(_ body: () throws -> Void) throws -> SnapshotRefusal.Reason? {
        do { try body() } catch let refusal as SnapshotRefusal { return refusal.reason }
        return nil
    }

    // MARK: Valid snapshots

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

    // MARK: Attacks on the manifest

    @Test func untrustedKeyIsRefused() throws {
        let publication = try published(100)
        let stranger = try MinisignSecretKey.generate().publicKey
        #expect(try refusal { _ = try offer(publication, keys: [stranger]) } == .untrustedKey)
        #expect(try refusal { _ = try offer(publication, keys: []) } == .untrustedKey)
    }

    @Test func flippedByteOfManifestIsRefused() throws {
        let publication = try published(100)
        for index in publication.manifest.indices {
            var altered = publication
            altered.manifest[index] ^= 1
            #expect(try refusal { _ = try offer(altered) } == .signature, "byte \(index)")
        }
    }

    @Test func flippedByteOfSignatureIsRefused() throws {
        let publication = try published(100)
        let text = String(decoding: publication.signature, as: UTF8.self)
        let comment = try #require(text.firstIndex(of: "\n")).utf16Offset(in: text)
        // The signature does not cover the first line, a comment. The last byte is the newline of the last line.
        for index in publication.signature.indices.dropLast() where index > comment {
            var altered = publication
            altered.signature[index] ^= 1
            let reason = try refusal { _ = try offer(altered) }
            let known: [SnapshotRefusal.Reason] = [.signature, .untrustedKey, .malformed]
            #expect(reason.map(known.contains) == true, "byte \(index): \(reason?.rawValue ?? "accepted")")
        }
    }

    @Test func signatureOfAnotherManifestIsRefused() throws {
        var publication = try published(100)
        publication.signature = try published(101).signature
        #expect(try refusal { _ = try offer(publication) } == .signature)
    }

    @Test func malformedManifestIsRefused() throws {
        for text in ["", "{}", "[]", "{\"format\":1}", "\u{1}\u{2}"] {
            var publication = try published(100)
            publication.manifest = Array(text.utf8)
            publication.signature = try MinisignSignature.file(
                signing: publication.manifest, with: key, trustedComment: "")
            #expect(try refusal { _ = try offer(publication) } == .malformed, "\(text)")
        }
        var publication = try published(100)
        publication.signature = Array("untrusted comment: x\n".utf8)
        #expect(try refusal { _ = try offer(publication) } == .malformed)
        publication.manifest = [UInt8](repeating: 32, count: Manifest.maxBytes + 1)
        #expect(try refusal { _ = try offer(publication) } == .malformed)
    }

    @Test(arguments: [
        "../snapshot-100.sqlite", "snapshot-101.sqlite", "/etc/passwd", "", "snapshot-100.sqlite\n",
    ])
    func invalidFileNameIsRefused(name: String) throws {
        let publication = try published(100) { $0.file = name }
        #expect(try refusal { _ = try offer(publication) } == .malformed)
    }

    @Test(arguments: ["../x.gz", ".hidden", "a/b", "", "a b"])
    func invalidPackageNameIsRefused(name: String) throws {
        let publication = try published(100) {
            $0.compressed = Manifest.Package(file: name, size: 1, sha256: $0.sha256)
        }
        #expect(try refusal { _ = try offer(publication) } == .malformed)
    }

    @Test func otherFormatIsRefused() throws {
        let publication = try published(100) { $0.format = 2 }
        #expect(try refusal { _ = try offer(publication) } == .format)
    }

    @Test func otherEventIsRefused() throws {
        try install(published(100))
        let other = try published(101, event: "Another")
        #expect(try refusal { try install(other) } == .event)
    }

    @Test func olderOrOtherSnapshotOfSameVersionIsRefused() throws {
        try install(published(100))
        let (older, equal) = (try published(99), try published(100, extra: 1))
        #expect(try refusal { try install(older) } == .notNewer)
        // The same version with other rows is another snapshot.
        #expect(try refusal { try install(equal) } == .notNewer)
        #expect(store.currentVersion() == 100)
    }

    @Test func expiredSnapshotIsRefused() throws {
        let publication = try published(100)
        let late = InstallClock(nowS: Sample.expires, isSynchronised: false)
        #expect(try refusal { _ = try offer(publication, clock: late) } == .expired)
    }

    @Test func snapshotFromTheFutureIsRefused() throws {
        let publication = try published(100, created: Sample.created + 86_400, expires: Sample.expires + 86_400)
        #expect(try refusal { _ = try offer(publication) } == .future)
        let skewed = try published(100, created: Sample.created + 1_200)
        #expect(try refusal { _ = try offer(skewed) } == nil)
    }

    @Test func unsetClockRefusesNothingForTime() throws {
        let publication = try published(100)
        let reset = InstallClock(nowS: 86_400, isSynchronised: false)
        #expect(try refusal { _ = try offer(publication, clock: reset) } == nil)
        // A synchronised clock is always trusted.
        let synchronised = InstallClock(nowS: 86_400, isSynchronised: true)
        #expect(try refusal { _ = try offer(publication, clock: synchronised) } == .future)
    }

    @Test func oversizedSnapshotIsRefused() throws {
        let publication = try published(100) { $0.size = SnapshotVerification.maxBytes + 1 }
        #expect(try refusal { _ = try offer(publication) } == .oversized)
        let packed = try published(100) {
            $0.compressed = .init(file: "x.gz", size: SnapshotVerification.maxBytes + 1, sha256: $0.sha256)
        }
        #expect(try refusal { _ = try offer(packed) } == .oversized)
    }

    // MARK: Attacks on the file

    /// Expects that the installation is refused as `reason` and that version 100 stays installed.
    private func expectRefused(
        _ reason: SnapshotRefusal.Reason, _ publication: Publication, _ location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try refusal { try install(publication) } == reason, sourceLocation: location)
        #expect(store.currentVersion() == 100, sourceLocation: location)
        #expect(store.highestVersion == 100, sourceLocation: location)
        // The installed file can still be read.
        let path = try #require(store.current(), sourceLocation: location)
        #expect(try Snapshot(path: path).attendee(TagID(rawValue: 5))?.status == .blocked, sourceLocation: location)
    }

    @Test func truncatedExtendedFlippedOrSwappedFileIsRefused() throws {
        try install(published(100))
        var publication = try published(101)
        let whole = try Files.read(publication.file)
        for altered in [Array(whole.dropLast(1)), whole + [0], []] {
            try Files.writeAtomically(altered, to: publication.file)
            try expectRefused(.size, publication)
        }
        for index in [0, 20, 99, 4_096, whole.count - 1] {
            var altered = whole
            altered[index] ^= 0x10
            try Files.writeAtomically(altered, to: publication.file)
            try expectRefused(.hash, publication)
        }
        try Files.remove(publication.file)
        try expectRefused(.size, publication)
        // Another file of the same size and event.
        publication.file = try published(102).file
        try expectRefused(.hash, publication)
    }

    /// Returns a publication whose altered file is signed, as after a fault of the center.
    private func signed(_ version: Int64, alter: (Publication, inout Manifest) throws -> Void) throws -> Publication {
        var publication = try published(version)
        var manifest = try Manifest(json: publication.manifest)
        try alter(publication, &manifest)
        manifest.size = Int64(try #require(Files.status(publication.file)).size)
        manifest.sha256 = try Files.sha256Hex(publication.file)
        publication.manifest = try manifest.json()
        publication.signature = try MinisignSignature.file(
            signing: publication.manifest, with: key, trustedComment: "altered")
        return publication
    }

    private func sql(_ path: String, _ sql: String) throws { try Database(path, .readWrite).execute(sql) }

    @Test func signedFileWithOtherRowsIsRefused() throws {
        try install(published(100))
        try expectRefused(.kind, signed(101) { file, _ in try sql(file.file, "PRAGMA application_id = 7") })
        try expectRefused(.kind, signed(101) { file, _ in try sql(file.file, "PRAGMA user_version = 2") })
        try expectRefused(.kind, signed(101) { file, _ in try sql(file.file, "DROP TABLE gates") })
        try expectRefused(
            .kind, signed(101) { file, _ in try sql(file.file, "UPDATE gates SET policy = '{\"antipassback\":3}'") })
        try expectRefused(
            .meta,
            signed(101) { file, _ in try sql(file.file, "UPDATE meta SET value = '102' WHERE key = 'version'") })
        try expectRefused(
            .meta,
            signed(101) { file, _ in try sql(file.file, "UPDATE meta SET value = 'X' WHERE key = 'event'") })
        try expectRefused(.rows, signed(101) { file, _ in try sql(file.file, "DELETE FROM attendees WHERE uid = 5") })
        try expectRefused(
            .content, signed(101) { file, _ in try sql(file.file, "UPDATE attendees SET status = 1 WHERE uid = 5") })
        try expectRefused(
            .content, signed(101) { file, _ in try sql(file.file, "UPDATE access SET valid_from = NULL") })
    }

    @Test func damagedPageIsFoundByQuickCheck() throws {
        try install(published(100))
        let publication = try signed(101) { file, _ in
            var bytes = try Files.read(file.file)
            // The cell pointers of the table `attendees`, whose root is the second page.
            for index in 4_096 + 8..<4_096 + 18 { bytes[index] = 0xff }
            try Files.writeAtomically(bytes, to: file.file)
        }
        try expectRefused(.damaged, publication)
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
