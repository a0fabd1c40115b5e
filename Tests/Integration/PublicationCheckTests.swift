import Crypto
import FileSystem
import LinuxSystem
import Minisign
import SQLite
import ScanModel
import SnapshotExport
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// `tapline-snapshot verify` and `diff` on a folder with deltas, published without a database.
@Suite struct PublicationCheckTests {
    private let folder = TemporaryFolder("publication")
    private let key: MinisignSecretKey
    private let now = SystemClock.nowMicroseconds() / 1_000_000
    private var out: String { folder.file("out") }

    init() throws {
        key = try MinisignSecretKey.generate()
        try Files.makeFolder(out)
    }

    /// Writes a version with a number of tags, one of them lost.
    private func write(_ version: Int64, tags: Int64, lost: Int64? = nil) throws -> String {
        let path = out + "/" + SnapshotFileName.of(version)
        let writer = try SnapshotWriter(path: path)
        for tag in 1...tags {
            try writer.add(
                TagID(rawValue: tag), Attendee(status: tag == lost ? .lost : .active, pass: 1, attendee: tag))
        }
        try writer.addPass(id: 1, name: "crew")
        try writer.finish(event: "Fair", version: version, createdS: now, expiresS: now + 600)
        return path
    }

    private func delta(from old: Int64, to new: Int64) throws -> Manifest.Delta {
        let bytes = try Changeset.between(
            out + "/" + SnapshotFileName.of(old), and: out + "/" + SnapshotFileName.of(new))
        let name = Manifest.Delta.fileName(from: old, to: new)
        try Files.writeAtomically(bytes, to: out + "/" + name)
        return Manifest.Delta(
            from: old, file: name, size: Int64(bytes.count), sha256: Hex.encode(SHA256.hash(bytes)))
    }

    private func sign(_ manifest: Manifest) throws {
        let bytes = try manifest.json()
        try Files.writeAtomically(bytes, to: out + "/manifest.json")
        try Files.writeAtomically(
            MinisignSignature.file(signing: bytes, with: key, trustedComment: "t"), to: out + "/manifest.json.minisig")
    }

    /// Writes three versions, and publishes the last with deltas from both others.
    private func publish(_ change: (inout Manifest) throws -> Void = { _ in }) throws -> Manifest {
        for (version, tags) in [(now - 2, 3), (now - 1, 4)] as [(Int64, Int64)] { _ = try write(version, tags: tags) }
        let path = try write(now, tags: 5, lost: 2)
        try Run.succeeding("gzip", ["-kf", path])
        var manifest = try Manifest(
            describing: path,
            compressed: Manifest.Package(
                file: SnapshotFileName.of(now) + ".gz", size: Int64(try #require(Files.status(path + ".gz")).size),
                sha256: Files.sha256Hex(path + ".gz")))
        manifest.deltas = [try delta(from: now - 1, to: now), try delta(from: now - 2, to: now)]
        try change(&manifest)
        try sign(manifest)
        return manifest
    }

    private func refusal() -> SnapshotRefusal.Reason? {
        #expect(throws: SnapshotRefusal.self) { try PublicationCheck(path: out, keys: [key.publicKey]) }?.reason
    }

    @Test func deltaIsAppliedIfItsSourceFileExists() throws {
        let manifest = try publish()
        let check = try PublicationCheck(path: out, keys: [key.publicKey])
        #expect(check.deltas == [now - 1, now - 2] && check.applied == check.deltas && check.manifest == manifest)
        let names = try Files.list(out)
        try Files.remove(out + "/" + SnapshotFileName.of(now - 2))
        let run = try Run.succeeding("tapline-snapshot", ["verify", out, "--trust-key", key.publicKey.base64])
        #expect(run.lines.count == 4)
        #expect(
            run.lines[2]
                == "delta from \(now - 1) is good: size and SHA-256 match, and applying it gives the signed content")
        #expect(run.lines[3].hasSuffix("not applied, because version \(now - 2) is not in the folder"))
        #expect(
            try Files.list(out) == names.filter { $0 != SnapshotFileName.of(now - 2) }, "verify leaves nothing behind")
    }

    @Test func deltaThatDiffersFromManifestIsRejected() throws {
        let manifest = try publish()
        let path = out + "/" + (manifest.deltas?[1].file ?? "")
        let whole = try Files.read(path)
        try Files.writeAtomically(whole.dropLast(), to: path)
        #expect(refusal() == .size)
        var bent = whole
        bent[bent.count - 1] ^= 1
        try Files.writeAtomically(bent, to: path)
        #expect(refusal() == .hash)
        try Files.remove(path)
        #expect(refusal() == .size)
    }

    @Test func deltaToOtherContentIsRejected() throws {
        // A valid and signed delta that gives other rows.
        _ = try publish { manifest in
            let other = try write(now + 1, tags: 6)
            let bytes = try Changeset.between(out + "/" + SnapshotFileName.of(now - 1), and: other)
            let name = manifest.deltas?[0].file ?? ""
            try Files.writeAtomically(bytes, to: out + "/" + name)
            manifest.deltas?[0] = Manifest.Delta(
                from: now - 1, file: name, size: Int64(bytes.count), sha256: Hex.encode(SHA256.hash(bytes)))
        }
        #expect(refusal() == .content)
        // A delta from another version than its name says.
        for version in [now - 2, now - 1, now, now + 1] { try Files.remove(out + "/" + SnapshotFileName.of(version)) }
        _ = try publish { manifest in
            let deltas = try #require(manifest.deltas)
            manifest.deltas = [
                Manifest.Delta(from: now - 2, file: deltas[0].file, size: deltas[0].size, sha256: deltas[0].sha256)
            ]
        }
        #expect([.damaged, .content].contains(refusal()))
    }

    @Test func compressedFileOfOtherVersionIsRejected() throws {
        _ = try publish { manifest in
            let (path, other) = (out + "/" + SnapshotFileName.of(now) + ".gz", out + "/" + SnapshotFileName.of(now - 1))
            try Run.succeeding("gzip", ["-kf", other])
            try Files.rename(other + ".gz", to: path)
            manifest.compressed?.size = Int64(try #require(Files.status(path)).size)
            manifest.compressed?.sha256 = try Files.sha256Hex(path)
        }
        #expect(refusal() == .hash)
    }

    @Test func folderMeansSnapshotOfItsManifest() throws {
        _ = try publish()
        let old = out + "/" + SnapshotFileName.of(now - 1)
        let run = try Run.succeeding("tapline-snapshot", ["diff", old, out])
        #expect(run.lines.contains("attendees: 1 added, 0 removed, 1 changed"))
        #expect(run.lines.contains("  ~ uid=2 status=1 -> 3"))
        #expect(try SnapshotDiff(from: out, to: out).isEmpty)
        for words in [["inspect", out], ["explain", out, "--tag", "2"]] {
            let text = try Run.succeeding("tapline-snapshot", words).lines.joined()
            #expect(text.contains(words.count == 2 ? "\(now)" : "attendee 2, lost"))
        }
        let none = try Run.it("tapline-snapshot", ["diff", folder.path, out])
        #expect(none.end == .exit(1) && none.errors.contains("no manifest in it"))
    }
}
