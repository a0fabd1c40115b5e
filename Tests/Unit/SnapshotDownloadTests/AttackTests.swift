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

/// Everything that somebody between center and scanner, or with an old stick, may try: each is refused under its name, and
/// the snapshot in force goes on deciding.
@Suite struct AttackTests {
    let center: TestCenter
    let rig: DownloadRig

    init() throws {
        center = try TestCenter()
        rig = DownloadRig(center)
        try center.publish(version: 7, lost: [1])
        #expect(try rig.download().fetch() == .installed(version: 7))
    }

    /// - Parameter download: nil: one that trusts the center.
    private func expectRefused(
        _ reason: SnapshotRefusal.Reason?, _ download: Download? = nil, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let error = try rig.refusal(download)
        if let reason {
            #expect("\(error)".contains("snapshot refused (\(reason.rawValue))"), "\(error)", sourceLocation: location)
        }
        #expect(try rig.decides(1) == (7, .lost), sourceLocation: location)
        #expect(try rig.decides(2) == (7, .active), sourceLocation: location)
    }

    @Test func anotherKey() throws {
        try center.publish(version: 8, signedBy: try MinisignSecretKey.generate())
        try expectRefused(.untrustedKey)
    }

    /// The number of a key is no secret: whoever forges takes it over.
    @Test func anotherKeyUnderTheNumberOfOurs() throws {
        let manifest = try center.publish(version: 8)
        let thief = try MinisignSecretKey.generate()
        try center.sign(manifest, by: thief)
        let forged = String(decoding: try center.bytes(Manifest.signatureFileName), as: UTF8.self)
        var lines = forged.split(separator: "\n").map(String.init)
        lines[1] = try renumbered(lines[1], center.key.publicKey)
        center.answer(Manifest.signatureFileName, [.text(lines.joined(separator: "\n") + "\n")])
        try expectRefused(.signature)
    }

    /// The base64 line of a signature, with the number of another key: "ED", 8 bytes of number, 64 of signature.
    private func renumbered(_ line: String, _ key: MinisignPublicKey) throws -> String {
        let script = """
            import base64, sys
            ours, forged = map(base64.b64decode, sys.argv[1:])
            print(base64.b64encode(forged[:2] + ours[2:10] + forged[10:]).decode())
            """
        return try Run.succeeding("python3", ["-c", script, key.base64, line]).lines[0]
    }

    @Test func anotherEvent() throws {
        try center.publish(version: 8, event: "Another")
        try expectRefused(.event)
    }

    @Test func anOlderOne() throws {
        try center.publish(version: 6)
        #expect(try rig.download().fetch() == .older(offered: 6, highest: 7))
        #expect(try rig.decides(1) == (7, .lost))
    }

    @Test func anotherOfTheSameVersion() throws {
        try center.publish(version: 7)
        try expectRefused(.notNewer)
    }

    /// It was offered, and then only older ones are: whoever serves the files holds something back.
    @Test func oneBetweenWhatIsHereAndWhatWasOffered() throws {
        let newest = try center.publish(version: 9)
        center.answer(try #require(newest.compressed).file, [.text("no", status: 503)])
        try expectRefused(nil)
        center.answer(try #require(newest.compressed).file, [])
        try center.publish(version: 8)
        #expect(try rig.download().fetch() == .older(offered: 8, highest: 9))
        #expect(try rig.decides(1) == (7, .lost))
        // It does not help to take the snapshots away.
        try Files.removeFolder(rig.scanner.file("snapshots"))
        #expect(try rig.download().fetch() == .older(offered: 8, highest: 9))
        #expect(rig.version == nil)
    }

    @Test func anExpiredOne() throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        try center.publish(version: 8, createdS: nowS - 1_000, expiresS: nowS - 1)
        try expectRefused(.expired)
    }

    @Test func oneFromTomorrow() throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        // What the tolerance allows for is a clock that is somewhat behind.
        try center.publish(
            version: 8, createdS: nowS + SnapshotVerification.clockToleranceS + 60, expiresS: nowS + 200_000)
        try expectRefused(.future)
    }

    @Test func anOversizedOne() throws {
        try center.publish(version: 8) { $0.size = SnapshotVerification.maxBytes + 1 }
        try expectRefused(.oversized)
    }

    @Test func aManifestThatIsEndless() throws {
        center.answer(Manifest.fileName, bytes: [UInt8](repeating: UInt8(ascii: " "), count: Manifest.maxBytes + 1))
        #expect(try rig.refusal().category == .unavailable)
        try expectRefused(nil)
    }

    @Test func aManifestThatIsNone() throws {
        center.answer(Manifest.fileName, [.text("<html>Please log in to the hotel's network</html>")])
        try expectRefused(.signature)
        center.answer(Manifest.signatureFileName, [.text("<html>Please log in to the hotel's network</html>")])
        try expectRefused(.malformed)
    }

    @Test func aLaterFormat() throws {
        try center.publish(version: 8) { $0.format = 2 }
        try expectRefused(.format)
    }

    @Test func aNameThatLeadsElsewhere() throws {
        for name in ["../7.sqlite.gz", "/etc/passwd", "..", ".hidden"] {
            try center.publish(version: 8) { $0.compressed?.file = name }
            try expectRefused(.malformed)
        }
    }

    @Test(arguments: [true, false]) func aFileThatIsTruncatedExtendedOrSwapped(isCompressed: Bool) throws {
        let manifest = try center.publish(version: 8, isCompressed: isCompressed)
        let name = manifest.compressed?.file ?? manifest.file
        let whole = try center.bytes(name)
        center.answer(name, bytes: whole.dropLast())
        try expectRefused(.size)
        center.answer(name, bytes: [])
        try expectRefused(.size)
        // Cut off at the size of the manifest, long before the end.
        center.answer(name, bytes: whole + [UInt8](repeating: 0, count: 1 << 20))
        #expect(try "\(rig.refusal())".contains("more than \(whole.count) bytes"))
        try expectRefused(nil)
        center.answer(name, bytes: [UInt8](repeating: 0x41, count: whole.count))
        try expectRefused(.hash)
        // A good file of the same event, signed in its time.
        center.answer(name, bytes: try center.bytes(SnapshotFileName.of(7) + (isCompressed ? ".gz" : "")))
        try expectRefused(nil)
        center.answer(name, [])
        #expect(try rig.download().fetch() == .installed(version: 8))
    }

    /// Signed: the hash of the packed file is right, and it expands without end.
    @Test func aBomb() throws {
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

    @Test func manifestAndSignatureOfTwoPublications() throws {
        try center.publish(version: 8)
        let old = try center.bytes(Manifest.signatureFileName)
        try center.publish(version: 9)
        center.answer(Manifest.signatureFileName, bytes: old)
        let download = rig.download { ($0.retries, $0.retryMs) = (3, 1) }
        let before = center.requests.count
        try expectRefused(.signature, download)
        #expect(center.requests.count == before + 8, "four times manifest and signature")
    }

    @Test func eitherOfTwoTrustedKeysWillDo() throws {
        let next = try MinisignSecretKey.generate()
        let both = [center.key.publicKey, next.publicKey]
        try center.publish(version: 8, signedBy: next)
        try expectRefused(.untrustedKey)
        #expect(try rig.download(keys: both).fetch() == .installed(version: 8))
        try center.publish(version: 9)
        #expect(try rig.download(keys: both).fetch() == .installed(version: 9))
        // And the old one is taken away.
        try center.publish(version: 10)
        #expect("\(try rig.refusal(rig.download(keys: [next.publicKey])))".contains("untrusted-key"))
        #expect(try rig.decides(2) == (9, .active))
    }
}
