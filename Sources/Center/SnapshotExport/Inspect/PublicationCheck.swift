import Compression
import FileSystem
package import Minisign
import SQLite
package import Snapshots

/// Checks a published folder as a scanner without an installed snapshot does.
package struct PublicationCheck: Sendable {
    /// The published manifest. Its signature and times are valid.
    package let manifest: Manifest
    /// Versions with a delta to the published one. The sizes and hashes of these deltas match the manifest.
    package private(set) var deltas: [Int64] = []
    /// Those of `deltas` whose file is in the folder, too: the delta was applied to it and gave the signed content.
    package private(set) var applied: [Int64] = []
    private let folder: String
    /// Disk space that a check leaves free, in bytes.
    private static let reserveBytes: Int64 = 16 << 20

    /// Checks all files that the manifest names.
    ///
    /// - Parameters:
    ///   - path: the folder, or the manifest in it.
    ///   - keys: the trusted keys.
    /// - Throws: `SnapshotRefusal` with the reason; `SnapshotExportError.notPublished` without a readable manifest;
    ///   `SystemError`.
    package init(path: String, keys: [MinisignPublicKey]) throws {
        let manifestPath = path.hasSuffix(".json") ? path : path + "/" + Manifest.fileName
        folder = Files.folder(of: manifestPath)
        let bytes: [UInt8]
        let signature: [UInt8]
        do {
            bytes = try ForeignFile(manifestPath).read(limit: 1 << 20)
            signature = try ForeignFile(manifestPath + ".minisig").read(limit: 1 << 20)
        } catch { throw SnapshotExportError.notPublished("\(error)") }
        manifest = try SnapshotVerification.manifest(bytes, signature: signature, keys: keys)
        try SnapshotVerification.times(of: manifest, .device())
        try SnapshotVerification.file(folder + "/" + manifest.file, manifest)
        let work = try Files.makeTemporaryFolder("tapline-verify")
        defer { try? Files.removeFolder(work) }
        if let compressed = manifest.compressed { try check(compressed, work) }
        for delta in manifest.deltas ?? [] {
            try require(delta.file, delta.size, delta.sha256)
            deltas.append(delta.from)
            if try apply(delta, work) { applied.append(delta.from) }
        }
    }

    private func require(_ name: String, _ size: Int64, _ sha256: String) throws {
        let path = folder + "/" + name
        guard let status = Files.status(path), Int64(status.size) == size else {
            throw SnapshotRefusal(.size, "\(name) is not \(size) bytes")
        }
        guard try Files.sha256Hex(path) == sha256 else {
            throw SnapshotRefusal(.hash, "the SHA-256 of \(name) differs from the signed one")
        }
    }

    private func check(_ package: Manifest.Package, _ work: String) throws {
        try require(package.file, package.size, package.sha256)
        let path = work + "/expanded"
        do { try Gzip.expand(folder + "/" + package.file, to: path, limitBytes: Int(manifest.size)) } catch {
            throw SnapshotRefusal(.damaged, "\(package.file) does not expand: \(error)")
        }
        guard try Files.sha256Hex(path) == manifest.sha256 else {
            throw SnapshotRefusal(.hash, "\(package.file) does not expand to the signed file")
        }
        try Files.remove(path)
    }

    /// Applies a delta, whose hash was compared already, to the file that it starts from.
    ///
    /// - Returns: `false` if that file is not in the folder.
    private func apply(_ delta: Manifest.Delta, _ work: String) throws -> Bool {
        let base = folder + "/" + SnapshotFileName.of(delta.from)
        guard Files.exists(base) else { return false }
        let path = work + "/applied"
        let file = try ForeignFile(base)
        // No signature states its size.
        guard Int64(file.size) <= SnapshotVerification.maxBytes else {
            throw SnapshotRefusal(.oversized, "\(base) has \(file.size) bytes")
        }
        try file.copy(to: path, leaving: PublicationCheck.reserveBytes)
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
}
