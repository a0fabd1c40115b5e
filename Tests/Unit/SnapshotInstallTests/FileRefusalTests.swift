import FakeCenter
import FileSystem
import Minisign
import SQLite
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// Each refusal of a snapshot file (contract.md section 6).
@Suite struct FileRefusalTests: StoreFixture {
    let folder = TemporaryFolder("store")
    let key = try! MinisignSecretKey.generate()

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

    @Test func signedFileWithAbsurdTimesIsRefused() throws {
        try install(published(100))
        for change in [
            "UPDATE meta SET value = '9223372036854775807' WHERE key = 'expires'",
            "UPDATE meta SET value = '9223372036854775807' WHERE key = 'created'",
            "UPDATE meta SET value = '-1' WHERE key = 'created'",
            "UPDATE meta SET value = '9223372036854775807' WHERE key = 'version'",
            "UPDATE days SET starts = -9223372036854775808", "UPDATE days SET ends = 9223372036854775807",
        ] {
            try expectRefused(.kind, signed(101) { file, _ in try sql(file.file, change) })
        }
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
}
