import ErrorModel
import FakeCenter
import FileSystem
import HTTPServer
import LinuxSystem
import Minisign
import SnapshotDownload
import Snapshots
import TestSupport
import Testing

@testable import SnapshotInstall

/// Attacks between center and scanner, or with an old USB stick. Each is refused with its reason, and the gate
/// continues to decide from the installed snapshot.
@Suite struct AttackTests {
    let center: TestCenter
    let rig: DownloadFixture

    init() throws {
        center = try TestCenter()
        rig = DownloadFixture(center)
        try center.publish(version: 7, lost: [1])
        #expect(try rig.download().fetch() == .installed(version: 7))
    }

    /// - Parameters:
    ///   - reason: the expected reason; `nil` for a failure that is no refusal.
    ///   - download: `nil` for one that trusts the center's key.
    private func expectRefused(
        _ reason: SnapshotRefusal.Reason?, _ download: Download? = nil, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let error = try rig.fetchFailure(download)
        if let reason {
            #expect("\(error)".contains("snapshot refused (\(reason.rawValue))"), "\(error)", sourceLocation: location)
        }
        #expect(try rig.gateAnswer(1) == (7, .lost), sourceLocation: location)
        #expect(try rig.gateAnswer(2) == (7, .active), sourceLocation: location)
    }

    @Test func untrustedKeyIsRefused() throws {
        try center.publish(version: 8, signedBy: try MinisignSecretKey.generate())
        try expectRefused(.untrustedKey)
    }

    /// The number of a key is public, so a forged key can have the same one.
    @Test func forgedKeyNumberIsRefused() throws {
        let manifest = try center.publish(version: 8)
        let forger = try MinisignSecretKey.generate()
        try center.sign(manifest, by: forger)
        let forged = String(decoding: try center.bytes(Manifest.signatureFileName), as: UTF8.self)
        var lines = forged.split(separator: "\n").map(String.init)
        lines[1] = try renumbered(lines[1], center.key.publicKey)
        center.answer(Manifest.signatureFileName, [.text(lines.joined(separator: "\n") + "\n")])
        try expectRefused(.signature)
    }

    /// Returns the base64 line of a signature with the number of another key: "ED", 8 bytes of number, 64 of signature.
    private func renumbered(_ line: String, _ key: MinisignPublicKey) throws -> String {
        let script = """
            import base64, sys
            ours, forged = map(base64.b64decode, sys.argv[1:])
            print(base64.b64encode(forged[:2] + ours[2:10] + forged[10:]).decode())
            """
        return try Run.succeeding("python3", ["-c", script, key.base64, line]).lines[0]
    }

    @Test func otherEventIsRefused() throws {
        try center.publish(version: 8, event: "Another")
        try expectRefused(.event)
    }

    @Test func olderVersionIsReported() throws {
        try center.publish(version: 6)
        #expect(try rig.download().fetch() == .older(offered: 6, highest: 7))
        #expect(try rig.gateAnswer(1) == (7, .lost))
    }

    @Test func otherSnapshotOfSameVersionIsRefused() throws {
        try center.publish(version: 7)
        try expectRefused(.notNewer)
    }

    /// Version 9 was offered before, so a source that offers version 8 withholds it or has gone back.
    @Test func versionBelowHighestOfferedIsReported() throws {
        let newest = try center.publish(version: 9)
        center.answer(try #require(newest.compressed).file, [.text("no", status: 503)])
        try expectRefused(nil)
        center.answer(try #require(newest.compressed).file, [])
        try center.publish(version: 8)
        #expect(try rig.download().fetch() == .older(offered: 8, highest: 9))
        #expect(try rig.gateAnswer(1) == (7, .lost))
        // Removing the snapshot folder does not reset the highest version.
        try Files.removeFolder(rig.scanner.file("snapshots"))
        #expect(try rig.download().fetch() == .older(offered: 8, highest: 9))
        #expect(rig.version == nil)
    }

    @Test func expiredSnapshotIsRefused() throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        try center.publish(version: 8, createdS: nowS - 1_000, expiresS: nowS - 1)
        try expectRefused(.expired)
    }

    @Test func snapshotFromTheFutureIsRefused() throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        // Beyond the tolerance for a device clock that is behind.
        try center.publish(
            version: 8, createdS: nowS + SnapshotVerification.clockToleranceS + 60, expiresS: nowS + 200_000)
        try expectRefused(.future)
    }

    @Test func oversizedSnapshotIsRefused() throws {
        try center.publish(version: 8) { $0.size = SnapshotVerification.maxBytes + 1 }
        try expectRefused(.oversized)
    }

    @Test func oversizedManifestIsRefused() throws {
        center.answer(Manifest.fileName, bytes: [UInt8](repeating: UInt8(ascii: " "), count: Manifest.maxBytes + 1))
        #expect(try rig.fetchFailure().category == .unavailable)
        try expectRefused(nil)
    }

    @Test func webPageInsteadOfManifestIsRefused() throws {
        center.answer(Manifest.fileName, [.text("<html>Please log in to the hotel network</html>")])
        try expectRefused(.signature)
        center.answer(Manifest.signatureFileName, [.text("<html>Please log in to the hotel network</html>")])
        try expectRefused(.malformed)
    }

    @Test func laterFormatIsRefused() throws {
        try center.publish(version: 8) { $0.format = 2 }
        try expectRefused(.format)
    }

    @Test func fileNameWithPathIsRefused() throws {
        for name in ["../7.sqlite.gz", "/etc/passwd", "..", ".hidden"] {
            try center.publish(version: 8) { $0.compressed?.file = name }
            try expectRefused(.malformed)
        }
    }

    @Test(arguments: [true, false]) func truncatedExtendedOrSwappedFileIsRefused(isCompressed: Bool) throws {
        let manifest = try center.publish(version: 8, isCompressed: isCompressed)
        let name = manifest.compressed?.file ?? manifest.file
        let whole = try center.bytes(name)
        center.answer(name, bytes: whole.dropLast())
        try expectRefused(.size)
        center.answer(name, bytes: [])
        try expectRefused(.size)
        // The transfer ends at the size in the manifest.
        center.answer(name, bytes: whole + [UInt8](repeating: 0, count: 1 << 20))
        #expect(try "\(rig.fetchFailure())".contains("more than \(whole.count) bytes"))
        try expectRefused(nil)
        center.answer(name, bytes: [UInt8](repeating: 0x41, count: whole.count))
        try expectRefused(.hash)
        // A valid file of an older version of the same event.
        center.answer(name, bytes: try center.bytes(SnapshotFileName.of(7) + (isCompressed ? ".gz" : "")))
        try expectRefused(nil)
        center.answer(name, [])
        #expect(try rig.download().fetch() == .installed(version: 8))
    }

    /// The signed hash of the compressed file is correct, but it expands to more than the signed size.
    @Test func gzipBombIsRefused() throws {
        let zeros = TemporaryFolder("zeros")
        try Files.writeAtomically([UInt8](repeating: 0, count: 20 << 20), to: zeros.file("bomb"))
        try Run.succeeding("gzip", ["-9", zeros.file("bomb")])
        try center.publish(version: 8) { manifest in
            try Files.copy(zeros.file("bomb.gz"), to: center.folder.file("bomb.gz"))
            manifest.compressed = try center.package("bomb.gz")
        }
        try expectRefused(.damaged)
        #expect(rig.leftovers.allSatisfy { Files.status(rig.store.folder + "/" + $0)?.size ?? 0 < 100_000 })
    }

    @Test func manifestWithSignatureOfAnotherIsRefused() throws {
        try center.publish(version: 8)
        let old = try center.bytes(Manifest.signatureFileName)
        try center.publish(version: 9)
        center.answer(Manifest.signatureFileName, bytes: old)
        let download = rig.download { ($0.retries, $0.retryMs) = (3, 1) }
        let before = center.requests.count
        try expectRefused(.signature, download)
        #expect(center.requests.count == before + 8, "manifest and signature are requested four times")
    }

    @Test func eitherOfTwoTrustedKeysIsAccepted() throws {
        let next = try MinisignSecretKey.generate()
        let both = [center.key.publicKey, next.publicKey]
        try center.publish(version: 8, signedBy: next)
        try expectRefused(.untrustedKey)
        #expect(try rig.download(keys: both).fetch() == .installed(version: 8))
        try center.publish(version: 9)
        #expect(try rig.download(keys: both).fetch() == .installed(version: 9))
        // The old key is no longer trusted.
        try center.publish(version: 10)
        #expect("\(try rig.fetchFailure(rig.download(keys: [next.publicKey])))".contains("untrusted-key"))
        #expect(try rig.gateAnswer(2) == (9, .active))
    }
}
