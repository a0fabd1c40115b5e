import FileSystem
package import Minisign
package import Snapshots

/// A copy of a published snapshot for scanners without a network: the manifest, its signature and all its files.
package struct SnapshotStick: Sendable {
    /// The manifest of the copy.
    package let manifest: Manifest
    /// Number of files written, without manifest and signature.
    package let files: Int
    /// Size of these files together, in bytes.
    package let bytes: Int64

    /// Copies a published folder, and verifies the copy as a scanner does.
    ///
    /// The source is verified first. All files are on the medium before the manifest names them.
    ///
    /// - Parameters:
    ///   - source: the published folder.
    ///   - target: the folder on the stick. It is created if missing. Older snapshots in it are removed after the
    ///     verification; other files stay.
    ///   - keys: the trusted keys.
    /// - Throws: the errors of `PublicationCheck`; `SystemError`; `SnapshotExportError.sameFolder`, `.folderOfExports`,
    ///   `.copyOfOtherEvent` and `.copyIsNewer`, and then nothing was copied.
    package init(from source: String, to target: String, keys: [MinisignPublicKey]) throws {
        try Files.makeFolder(target)
        guard Files.canonicalPath(source) != Files.canonicalPath(target) else {
            throw SnapshotExportError.sameFolder(target)
        }
        let published = try PublicationCheck(path: source, keys: keys).manifest
        let names =
            [published.file] + (published.compressed.map { [$0.file] } ?? []) + (published.deltas ?? []).map(\.file)
        try SnapshotStick.requireReplaceable(target, by: published)
        var bytes: Int64 = 0
        for name in names {
            let part = "\(target)/.building-\(name)"
            do { try Files.copy("\(source)/\(name)", to: part) } catch {
                // A full stick must keep room for another attempt.
                try? Files.remove(part)
                throw error
            }
            try Files.sync(part)
            try Files.rename(part, to: "\(target)/\(name)")
            bytes += Files.status("\(target)/\(name)").map { Int64($0.size) } ?? 0
        }
        for name in [Manifest.signatureFileName, Manifest.fileName] {
            try Files.writeAtomically(
                Files.read("\(source)/\(name)", limit: Manifest.maxBytes), to: "\(target)/\(name)")
        }
        manifest = try PublicationCheck(path: target, keys: keys).manifest
        // An export into the source may have replaced the manifest during the copy.
        guard manifest == published else { throw SnapshotExportError.busy("in \(source)") }
        files = names.count
        self.bytes = bytes
        SnapshotStick.removeOld(target, except: Set(manifest.files))
    }

    /// Checks that a copy takes nothing away: the source may be the stick, and the target the folder of a center.
    ///
    /// - Throws: `SnapshotExportError.folderOfExports`, `.copyOfOtherEvent`, `.copyIsNewer`.
    private static func requireReplaceable(_ target: String, by published: Manifest) throws(SnapshotExportError) {
        let folder = PublishedFolder(path: target)
        guard !Files.exists(folder.lockPath) else { throw .folderOfExports(target) }
        guard let present = folder.manifest else { return }
        guard present.identity.isSame(as: published.identity) else {
            throw .copyOfOtherEvent(folder: target, event: "\(present.identity)")
        }
        guard present.version <= published.version else {
            throw .copyIsNewer(folder: target, version: present.version, source: published.version)
        }
    }

    /// Removes the snapshots and deltas of earlier copies, which no manifest names, and parts of interrupted ones.
    private static func removeOld(_ target: String, except named: Set<String>) {
        for name in (try? Files.list(target)) ?? [] where !named.contains(name) {
            let isSnapshot = SnapshotFileName.version(of: name.hasSuffix(".gz") ? name.dropLast(3) : name[...]) != nil
            guard isSnapshot || PublishedFolder.deltaTarget(of: name) != nil || name.hasPrefix(".building-") else {
                continue
            }
            try? Files.remove("\(target)/\(name)")
        }
    }
}
