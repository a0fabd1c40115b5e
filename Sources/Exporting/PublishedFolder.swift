internal import Runtime
internal import Snapshots
internal import Zlib

/// The folder that scanners download from: `snapshot-<version>.sqlite`, each with its `.gz`, the manifest of the newest, and
/// its signature. Names that begin with a dot are not for them.
struct PublishedFolder {
    let path: String

    private var manifestPath: String { path + "/" + Manifest.fileName }
    private var signaturePath: String { path + "/" + Manifest.signatureFileName }

    /// The manifest as it lies there, unverified; nil when there is none, or none that can be read.
    var manifest: Manifest? {
        guard let bytes = try? Files.read(manifestPath, limit: Manifest.maxBytes) else { return nil }
        return try? Manifest(json: bytes)
    }

    /// The highest version of which there is a trace here; 0 without any.
    var lastVersion: Int64 { max(manifest?.version ?? 0, versions().max() ?? 0) }

    /// What is published, if a scanner that trusts `key` could install it: signed by it, all files there in their size.
    func published(trusting key: MinisignPublicKey) -> Manifest? {
        guard let bytes = try? Files.read(manifestPath, limit: Manifest.maxBytes),
            let signature = try? Files.read(signaturePath, limit: Manifest.maxBytes),
            let manifest = try? SnapshotVerification.manifest(bytes, signature: signature, keys: [key]),
            hasSize(manifest.file, manifest.size),
            manifest.compressed.map({ hasSize($0.file, $0.size) }) ?? true
        else { return nil }
        return manifest
    }

    private func hasSize(_ name: String, _ size: Int64) -> Bool {
        Files.status(path + "/" + name).map { Int64($0.size) == size } ?? false
    }

    /// What an export that was killed left behind.
    func removeUnfinished() {
        for name in (try? Files.list(path)) ?? [] where name.hasPrefix(".building") {
            try? Files.remove(path + "/" + name)
        }
    }

    /// Compresses the file into `name`, durably, and proves that it expands to what the manifest says.
    func compress(_ source: String, as name: String, expecting manifest: Manifest) throws -> Manifest.Package {
        let (packed, again) = (path + "/.building.gz", path + "/.building.again")
        // Tag IDs are random: a higher level takes twice the time for nothing.
        try Gzip.compress(source, to: packed, level: 6)
        try Gzip.expand(packed, to: again, limitBytes: Int(manifest.size))
        let sum = try Files.sha256Hex(again)
        try Files.remove(again)
        guard sum == manifest.sha256 else { throw ExportError(detail: "\(name) does not expand to its source") }
        try Files.sync(packed)
        let package = Manifest.Package(
            file: name, size: Int64(Files.status(packed)?.size ?? 0), sha256: try Files.sha256Hex(packed))
        try Files.rename(packed, to: path + "/" + name)
        return package
    }

    /// Signs the manifest and puts it in force: the two files are complete and on the disk under other names, then renamed
    /// one after the other. Between the renames they do not match; who reads them then reads them again. A crash between
    /// them is mended by the next export, and the center looks for it when it starts.
    func publish(_ manifest: Manifest, key: MinisignSecretKey) throws {
        let bytes = try manifest.json()
        let signature = try MinisignSignature.file(
            signing: bytes, with: key,
            trustedComment: "snapshot \(manifest.version) of \(PublishedFolder.oneLine(manifest.event))")
        // As a scanner would look at it, before a scanner can.
        guard try SnapshotVerification.manifest(bytes, signature: signature, keys: [key.publicKey]) == manifest else {
            throw ExportError(detail: "the signed manifest does not read back")
        }
        let (newManifest, newSignature) = (path + "/.building.json", path + "/.building.minisig")
        try Files.writeAtomically(bytes, to: newManifest)
        try Files.writeAtomically(signature, to: newSignature)
        try Files.rename(newSignature, to: signaturePath, durable: false)
        try Files.rename(newManifest, to: manifestPath)
    }

    /// A comment is one line; an event's name need not be.
    private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    /// Removes all but the newest `keep` versions, and never what the manifest names.
    func prune(keep: Int) {
        let named = Set(manifest?.files ?? [])
        let old = versions().sorted(by: >).dropFirst(max(1, keep))
        for version in old {
            let name = SnapshotFileName.of(version)
            for name in [name, name + ".gz"] where !named.contains(name) { try? Files.remove(path + "/" + name) }
        }
    }

    private func versions() -> Set<Int64> {
        Set(
            ((try? Files.list(path)) ?? []).compactMap {
                SnapshotFileName.version(of: $0.hasSuffix(".gz") ? $0.dropLast(3) : $0[...])
            })
    }
}
