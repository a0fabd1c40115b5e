internal import Runtime
public import Snapshots
internal import Zlib

/// Checks a published folder as a scanner would that has nothing installed yet: for `tapline-snapshot verify`.
public struct PublicationCheck: Sendable {
    public let manifest: Manifest
    private let folder: String

    /// Throws `SnapshotRefusal` with the reason, `ProgramError` (configuration) when there is nothing to check.
    ///
    /// - Parameter path: the folder, or the manifest in it.
    public init(path: String, keys: [MinisignPublicKey]) throws {
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
        if let compressed = manifest.compressed {
            let path = folder + "/" + compressed.file
            guard let status = Files.status(path), Int64(status.size) == compressed.size else {
                throw SnapshotRefusal(.size, "\(compressed.file) is not \(compressed.size) bytes")
            }
            guard try Files.sha256Hex(path) == compressed.sha256 else {
                throw SnapshotRefusal(.hash, "\(compressed.file) has another SHA-256 than signed")
            }
        }
    }

    /// For people.
    public var text: String {
        """
        snapshot \(manifest.version) of \(manifest.event) is good: signature, size, SHA-256, quick_check, rows, content
        \(manifest.attendees) tags, created \(UTCTime.text(microseconds: manifest.created * 1_000_000)), \
        expires \(UTCTime.text(microseconds: manifest.expires * 1_000_000))
        """
    }
}
