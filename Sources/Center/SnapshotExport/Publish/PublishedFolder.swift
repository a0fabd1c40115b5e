import FileSystem
import LinuxSystem
import Minisign
import ScanModel
import Snapshots

/// The folder that scanners download from.
///
/// It holds files `snapshot-<version>.sqlite`, each with a compressed copy `.gz`, and deltas. It also holds the
/// manifest of the newest version and its signature. Names that begin with a dot are private to exports.
struct PublishedFolder {
    /// Period for which a superseded version can still be downloaded, in seconds. Slow links need this time, and
    /// changes can follow each other quickly.
    static let graceS: Int64 = 3_600
    /// Maximum total size of such files, in bytes: half an hour of continuous changes of a million tags.
    static let graceBytes = 2 << 30

    /// Returns the folders that scanners download from: those of the centers, or else that of the last publication.
    static let knownFolders = """
        SELECT DISTINCT snapshots FROM tapline_internal.centers
        WHERE snapshots IS NOT NULL AND alive_at > now() - interval '7 days'
        UNION
        (SELECT folder FROM tapline.snapshots WHERE published_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM tapline_internal.centers
            WHERE snapshots IS NOT NULL AND alive_at > now() - interval '7 days')
            AND folder IS NOT NULL ORDER BY version DESC LIMIT 1)
        ORDER BY 1
        """

    let path: String

    /// The lock file of the export that runs in this folder.
    var lockPath: String { path + "/.export.lock" }
    private var manifestPath: String { path + "/" + Manifest.fileName }
    private var signaturePath: String { path + "/" + Manifest.signatureFileName }
    /// The file that an export is building.
    var building: String { path + "/.building.sqlite" }
    var buildingPackage: String { path + "/.building.gz" }
    private var buildingManifest: String { path + "/.building.json" }
    private var buildingSignature: String { path + "/.building.minisig" }

    /// The manifest in the folder, unverified; `nil` if it is missing or unreadable.
    var manifest: Manifest? {
        guard let bytes = try? ForeignFile(manifestPath).read(limit: Manifest.maxBytes) else { return nil }
        return try? Manifest(json: bytes)
    }

    /// The highest version that the manifest or a file name in the folder contains; 0 without any.
    var lastVersion: Int64 { max(manifest?.version ?? 0, versions().first ?? 0) }

    /// Returns the published manifest, if a scanner that trusts `key` could install it: the signature is valid, and all
    /// files have the size in the manifest.
    func published(trusting key: MinisignPublicKey) -> Manifest? { published(manifestPath, trusting: key) }

    private func published(_ manifestPath: String, trusting key: MinisignPublicKey) -> Manifest? {
        guard let bytes = try? ForeignFile(manifestPath).read(limit: Manifest.maxBytes),
            let signature = try? ForeignFile(signaturePath).read(limit: Manifest.maxBytes),
            let manifest = try? SnapshotVerification.manifest(bytes, signature: signature, keys: [key])
        else { return nil }
        func hasSize(_ name: String, _ size: Int64) -> Bool {
            Files.status(path + "/" + name).map { Int64($0.size) == size } ?? false
        }
        let isWhole =
            hasSize(manifest.file, manifest.size)
            && (manifest.compressed.map { hasSize($0.file, $0.size) } ?? true)
            && (manifest.deltas ?? []).allSatisfy { hasSize($0.file, $0.size) }
        return isWhole ? manifest : nil
    }

    /// Whether the manifest in the folder has a signature by `key`.
    func isSigned(by key: MinisignPublicKey) -> Bool {
        guard let bytes = try? ForeignFile(manifestPath).read(limit: Manifest.maxBytes),
            let signature = try? ForeignFile(signaturePath).read(limit: Manifest.maxBytes)
        else { return false }
        return (try? SnapshotVerification.manifest(bytes, signature: signature, keys: [key])) != nil
    }

    /// Completes a publication that was interrupted between its two renames.
    func repair(trusting key: MinisignPublicKey) {
        guard published(trusting: key) == nil, published(buildingManifest, trusting: key) != nil else { return }
        try? Files.rename(buildingManifest, to: manifestPath)
    }

    /// Like `repair`, for callers without the lock. It needs no database, so call it before steps that can fail. Does
    /// nothing while an export runs, because each export starts with the same repair.
    func repairIfIdle(trusting key: MinisignPublicKey) {
        guard let lock = try? FileLock(lockPath) else { return }
        repair(trusting: key)
        withExtendedLifetime(lock) {}
    }

    /// Returns the number of active tags in the published file, or `nil` if the file cannot be read. An export then has
    /// nothing to compare with, and replaces the file in any case.
    func lastActive() -> (version: Int64, active: Int64)? {
        guard let manifest, let snapshot = try? Snapshot(path: path + "/" + manifest.file),
            let active = try? snapshot.count(.active)
        else { return nil }
        return (manifest.version, Int64(active))
    }

    /// Removes the files that an interrupted export left.
    func removeUnfinished() {
        for name in (try? Files.list(path)) ?? [] where name.hasPrefix(".building") {
            try? Files.remove(path + "/" + name)
        }
    }

    /// Signs the manifest and makes it the current one.
    ///
    /// Both files are written completely and durably under other names, and then renamed one after the other. Between
    /// the renames they do not match; a scanner that reads them at that time reads them again. `repair` completes a
    /// publication that was interrupted there. Each export starts with it, before it needs the database. The snapshot
    /// service also runs it at its start and after each failed export.
    ///
    /// - Throws: `SnapshotExportError.invalidContent` if the signed manifest does not verify; `SystemError`.
    func publish(_ manifest: Manifest, key: MinisignSecretKey) throws {
        let bytes = try manifest.json()
        let signature = try MinisignSignature.file(
            signing: bytes, with: key,
            trustedComment: "snapshot \(manifest.version) of \(PublishedFolder.oneLine(manifest.event))")
        // Verify it as a scanner does, before scanners can read it.
        guard try SnapshotVerification.manifest(bytes, signature: signature, keys: [key.publicKey]) == manifest else {
            throw SnapshotExportError.invalidContent("the signed manifest does not read back")
        }
        try Files.writeAtomically(bytes, to: buildingManifest)
        try Files.writeAtomically(signature, to: buildingSignature)
        try Files.rename(buildingSignature, to: signaturePath, durable: false)
        try Files.rename(buildingManifest, to: manifestPath)
    }

    /// A trusted comment must be one line; the name of an event can have several.
    private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    /// Removes old versions.
    ///
    /// The newest `keep` versions stay completely. For an older version, only the downloadable files stay: compressed
    /// file and deltas. They stay for `graceS` after it was superseded, up to `graceBytes` in total. Files that the
    /// manifest names are never removed.
    ///
    /// - Parameters:
    ///   - keep: number of versions; at least 1 stays.
    ///   - nowS: current time in seconds since 1970.
    func prune(keep: Int, nowS: Int64 = SystemClock.nowMicroseconds() / 1_000_000) {
        let named = Set(manifest?.files ?? [])
        func remove(_ name: String) {
            if !named.contains(name) { try? Files.remove(path + "/" + name) }
        }
        let versions = versions()
        func package(_ version: Int64) -> (name: String, status: Files.Status?) {
            let name = SnapshotFileName.of(version) + ".gz"
            return (name, Files.status(path + "/" + name))
        }
        var known = Set(versions)
        var bytes = 0
        for (rank, version) in versions.enumerated().dropFirst(max(1, keep)) {
            remove(SnapshotFileName.of(version))
            let supersededS = (package(versions[rank - 1]).status?.modifiedNs ?? 0) / 1_000_000_000
            let old = package(version)
            bytes += old.status?.size ?? 0
            if nowS - supersededS < PublishedFolder.graceS, bytes <= PublishedFolder.graceBytes { continue }
            remove(old.name)
            known.remove(version)
        }
        for name in names() {
            if let to = PublishedFolder.deltaTarget(of: name), !known.contains(to) { remove(name) }
        }
    }

    private func names() -> [String] { (try? Files.list(path)) ?? [] }

    /// Returns the versions that have a file in the folder, the newest first.
    private func versions() -> [Int64] {
        Set(
            names().compactMap { SnapshotFileName.version(of: $0.hasSuffix(".gz") ? $0.dropLast(3) : $0[...]) }
        ).sorted(by: >)
    }

    /// Returns the version that a delta leads to, or `nil` if the file name is not that of a delta.
    static func deltaTarget(of name: String) -> Int64? {
        let numbers = name.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "-" }.split(separator: "-")
        guard numbers.count == 2, let from = Int64(numbers[0]), let to = Int64(numbers[1]),
            name == Manifest.Delta.fileName(from: from, to: to)
        else { return nil }
        return to
    }
}
