import FakeCenter
import Minisign
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// Each refusal of a manifest (contract.md section 6).
@Suite struct ManifestRefusalTests: StoreFixture {
    let folder = TemporaryFolder("store")
    let key = try! MinisignSecretKey.generate()

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

    /// A signature proves who wrote a number, not that it is sensible. These overflow in sums.
    @Test func absurdNumbersAreRefused() throws {
        let changes: [(inout Manifest) -> Void] = [
            { $0.expires = .max }, { $0.expires = 7_258_118_400 }, { $0.created = -1 }, { $0.created = .min },
            { ($0.created, $0.expires) = (.max - 1, .max) }, { $0.expires = $0.created },
            { ($0.version, $0.file) = (.max, SnapshotFileName.of(.max)) },
            { ($0.version, $0.file) = (0, SnapshotFileName.of(0)) },
            { $0.attendees = .max }, { $0.attendees = -1 }, { $0.size = .max }, { $0.size = 0 },
            { $0.compressed = Manifest.Package(file: "x.gz", size: .max, sha256: $0.sha256) },
            { $0.deltas = [Manifest.Delta(from: .min, file: "d", size: 1, sha256: $0.sha256)] },
            { $0.deltas = [Manifest.Delta(from: 1, file: "d", size: .max, sha256: $0.sha256)] },
        ]
        for (index, change) in changes.enumerated() {
            let publication = try published(100, change: change)
            #expect(try refusal { _ = try offer(publication) } == .malformed, "change \(index)")
        }
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
}
