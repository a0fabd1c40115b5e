import FileSystem
import LinuxSystem
import Minisign
import Snapshots

/// The folder that scanners download from: `snapshot-<version>.sqlite`, each with its `.gz`, deltas, the manifest of the
/// newest, and its signature. Names that begin with a dot are not for them.
struct PublishedFolder {
    /// How long a version can still be downloaded that another has followed, in seconds: a slow link needs its time, and
    /// changes may follow each other faster.
    static let graceS: Int64 = 3_600
    /// ... and how many bytes of such files there are at most: half an hour of changes without a pause, of a million tags.
    static let graceBytes = 2 << 30

    let path: String

    /// Of who exports into the folder.
    var lockPath: String { path + "/.export.lock" }
    private var manifestPath: String { path + "/" + Manifest.fileName }
    private var signaturePath: String { path + "/" + Manifest.signatureFileName }
    /// What an export works on.
    var building: String { path + "/.building.sqlite" }
    var buildingPackage: String { path + "/.building.gz" }
    private var buildingManifest: String { path + "/.building.json" }
    private var buildingSignature: String { path + "/.building.minisig" }

    /// The manifest as it lies there, unverified; nil when there is none, or none that can be read.
    var manifest: Manifest? {
        guard let bytes = try? Files.read(manifestPath, limit: Manifest.maxBytes) else { return nil }
        return try? Manifest(json: bytes)
    }

    /// The highest version of which there is a trace here; 0 without any.
    var lastVersion: Int64 { max(manifest?.version ?? 0, versions().first ?? 0) }

    /// What is published, if a scanner that trusts `key` could install it: signed by it, all files there in their size.
    func published(trusting key: MinisignPublicKey) -> Manifest? { published(manifestPath, trusting: key) }

    private func published(_ manifestPath: String, trusting key: MinisignPublicKey) -> Manifest? {
        guard let bytes = try? Files.read(manifestPath, limit: Manifest.maxBytes),
            let signature = try? Files.read(signaturePath, limit: Manifest.maxBytes),
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

    /// Completes a publication that was cut off between its two renames.
    func mend(trusting key: MinisignPublicKey) {
        guard published(trusting: key) == nil, published(buildingManifest, trusting: key) != nil else { return }
        try? Files.rename(buildingManifest, to: manifestPath)
    }

    /// The same, for one who does not hold the lock, before anything else that may fail: it needs no database. While somebody
    /// exports there is nothing to do, for he began with it.
    func mendIfIdle(trusting key: MinisignPublicKey) {
        guard let lock = try? FileLock(lockPath) else { return }
        mend(trusting: key)
        withExtendedLifetime(lock) {}
    }

    /// How many tags are active in the file that the manifest names; nil where it cannot be read: then it says nothing, and
    /// another is to follow it in any case.
    func lastActive() -> (version: Int64, active: Int64)? {
        guard let manifest, let snapshot = try? Snapshot(path: path + "/" + manifest.file),
            let active = try? snapshot.count(.active)
        else { return nil }
        return (manifest.version, Int64(active))
    }

    /// What an export that was killed left behind.
    func removeUnfinished() {
        for name in (try? Files.list(path)) ?? [] where name.hasPrefix(".building") {
            try? Files.remove(path + "/" + name)
        }
    }

    /// Signs the manifest and puts it in force: the two files are complete and on the disk under other names, then renamed
    /// one after the other. Between the renames they do not match; who reads them then reads them again. A crash between
    /// them is mended by `mend`: each export begins with it, before it needs the database, and so does the center, when it
    /// starts and whenever an export failed.
    func publish(_ manifest: Manifest, key: MinisignSecretKey) throws {
        let bytes = try manifest.json()
        let signature = try MinisignSignature.file(
            signing: bytes, with: key,
            trustedComment: "snapshot \(manifest.version) of \(PublishedFolder.oneLine(manifest.event))")
        // As a scanner would look at it, before a scanner can.
        guard try SnapshotVerification.manifest(bytes, signature: signature, keys: [key.publicKey]) == manifest else {
            throw ExportError(detail: "the signed manifest does not read back")
        }
        try Files.writeAtomically(bytes, to: buildingManifest)
        try Files.writeAtomically(signature, to: buildingSignature)
        try Files.rename(buildingSignature, to: signaturePath, durable: false)
        try Files.rename(buildingManifest, to: manifestPath)
    }

    /// A comment is one line; an event's name need not be.
    private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    /// Removes all but the newest `keep` versions; of an older one, what is downloaded (compressed file, deltas) stays until
    /// it has been superseded for a while. Never removes what the manifest names.
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
        var (known, bytes) = (Set(versions), 0)
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

    /// The newest first.
    private func versions() -> [Int64] {
        Set(
            names().compactMap { SnapshotFileName.version(of: $0.hasSuffix(".gz") ? $0.dropLast(3) : $0[...]) }
        ).sorted(by: >)
    }

    /// The version that a delta leads to; nil for another name.
    static func deltaTarget(of name: String) -> Int64? {
        let numbers = name.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "-" }.split(separator: "-")
        guard numbers.count == 2, let from = Int64(numbers[0]), let to = Int64(numbers[1]),
            name == Manifest.Delta.fileName(from: from, to: to)
        else { return nil }
        return to
    }
}
