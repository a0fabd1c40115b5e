import CLI
import Compression
import FileSystem
package import Minisign
import Runtime
import SQLite
package import Snapshots

/// Checks a published folder as a scanner would that has nothing installed yet: for `tapline-snapshot verify`.
package struct PublicationCheck: Sendable {
    package let manifest: Manifest
    /// Versions from which a delta leads to this one: their size and hash are right.
    package private(set) var deltas: [Int64] = []
    /// Those among them that were applied to their file, which lies in the folder too, and gave the signed content.
    package private(set) var applied: [Int64] = []
    private let folder: String

    /// Throws `SnapshotRefusal` with the reason, `ProgramError` (configuration) when there is nothing to check,
    /// `SystemError`.
    ///
    /// - Parameter path: the folder, or the manifest in it.
    package init(path: String, keys: [MinisignPublicKey]) throws {
        let manifestPath = path.hasSuffix(".json") ? path : path + "/" + Manifest.fileName
        folder = Files.folder(of: manifestPath)
        let bytes: [UInt8]
        let signature: [UInt8]
        do {
            bytes = try Files.read(manifestPath, limit: 1 << 20)
            signature = try Files.read(manifestPath + ".minisig", limit: 1 << 20)
        } catch { throw ProgramError.configuration("nothing is published: \(error)") }
        manifest = try SnapshotVerification.manifest(bytes, signature: signature, keys: keys)
        try SnapshotVerification.times(of: manifest, .device())
        try SnapshotVerification.file(folder + "/" + manifest.file, manifest)
        let work = try Files.makeTemporaryFolder("tapline-verify")
        defer { try? Files.removeFolder(work) }
        if let compressed = manifest.compressed { try check(compressed, work) }
        for delta in manifest.deltas ?? [] {
            try demand(delta.file, delta.size, delta.sha256)
            deltas.append(delta.from)
            if try apply(delta, work) { applied.append(delta.from) }
        }
    }

    private func demand(_ name: String, _ size: Int64, _ sha256: String) throws {
        let path = folder + "/" + name
        guard let status = Files.status(path), Int64(status.size) == size else {
            throw SnapshotRefusal(.size, "\(name) is not \(size) bytes")
        }
        guard try Files.sha256Hex(path) == sha256 else {
            throw SnapshotRefusal(.hash, "\(name) has another SHA-256 than signed")
        }
    }

    private func check(_ package: Manifest.Package, _ work: String) throws {
        try demand(package.file, package.size, package.sha256)
        let path = work + "/expanded"
        do { try Gzip.expand(folder + "/" + package.file, to: path, limitBytes: Int(manifest.size)) } catch {
            throw SnapshotRefusal(.damaged, "\(package.file) does not expand: \(error)")
        }
        guard try Files.sha256Hex(path) == manifest.sha256 else {
            throw SnapshotRefusal(.hash, "\(package.file) expands to another file than signed")
        }
        try Files.remove(path)
    }

    /// False where the file that the delta begins with is not here. Its own hash was compared before it is parsed.
    private func apply(_ delta: Manifest.Delta, _ work: String) throws -> Bool {
        let base = folder + "/" + SnapshotFileName.of(delta.from)
        guard Files.exists(base) else { return false }
        let path = work + "/applied"
        try Files.copy(base, to: path)
        do {
            let database = try Database(path, .readWrite)
            try database.apply(Files.read(folder + "/" + delta.file, limit: Int(delta.size)))
        } catch let error as SQLiteError {
            throw SnapshotRefusal(.damaged, "\(delta.file) cannot be applied to version \(delta.from): \(error)")
        }
        let content = try SnapshotContent.hash(path: path)
        guard content == manifest.content else {
            throw SnapshotRefusal(.content, "\(delta.file) gives content \(content) instead of \(manifest.content)")
        }
        try Files.remove(path)
        return true
    }

    /// For people.
    package var text: String {
        var lines = [
            "snapshot \(manifest.version) of \(manifest.event) is good: signature, size, SHA-256, quick_check, rows, content",
            "\(manifest.attendees) tags, created \(UTCTime.text(microseconds: manifest.created * 1_000_000)), "
                + "expires \(UTCTime.text(microseconds: manifest.expires * 1_000_000))",
        ]
        lines += deltas.map { from in
            applied.contains(from)
                ? "delta from \(from) is good: size, SHA-256, and applied it gives the content"
                : "delta from \(from): size and SHA-256 are right; version \(from) is not here to apply it to"
        }
        return lines.joined(separator: "\n")
    }
}
