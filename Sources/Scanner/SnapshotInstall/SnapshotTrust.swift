import Crypto
import FileSystem
import FoundationEssentials
import Snapshots

/// What a scanner never forgets about its snapshots.
///
/// Kept twice, with a sum: `trust.json` among the snapshots and `snapshot-trust.json` in the folder above, so that neither a
/// bad sector nor somebody who empties the folder of snapshots makes a scanner take an older list, or refuse all newer ones
/// for a digit that flipped.
struct SnapshotTrust: Codable, Sendable, Equatable {
    /// Pinned by the first install.
    var event: String
    /// The highest version ever installed, and the SHA-256 that its manifest gives for the full file.
    var version: Int64
    var sha256: String
    /// `created` of that version, seconds since 1970.
    var created: Int64
    /// SHA-256 of the file that lies here: what a delta gave has the same rows in other bytes. Nil: not known.
    var fileSHA256: String?
    /// The highest version that this scanner set out to install: who offers an older one later has gone back.
    var seen: Int64

    /// Nil for bytes that are not exactly as they were written.
    init?(file bytes: [UInt8]) {
        guard let sealed = try? JSONDecoder().decode(Sealed.self, from: Data(bytes)),
            Hex.encode(SHA256.hash(Array(sealed.trust.utf8))) == sealed.sha256,
            let trust = try? JSONDecoder().decode(SnapshotTrust.self, from: Data(sealed.trust.utf8))
        else { return nil }
        self = trust
    }

    init(_ manifest: Manifest, fileSHA256: String?) {
        (event, version, sha256, created) = (manifest.event, manifest.version, manifest.sha256, manifest.created)
        (self.fileSHA256, seen) = (fileSHA256, manifest.version)
    }

    func file() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let text = String(decoding: try encoder.encode(self), as: UTF8.self)
        return Array(try encoder.encode(Sealed(trust: text, sha256: Hex.encode(SHA256.hash(Array(text.utf8))))))
    }

    /// The JSON as text, so that the sum is over its very bytes.
    private struct Sealed: Codable {
        var trust: String
        var sha256: String
    }
}

extension SnapshotStore {
    private static let outerTrustName = "snapshot-trust.json"
    private var trustFiles: [String] {
        [Files.folder(of: folder) + "/" + SnapshotStore.outerTrustName, folder + "/trust.json"]
    }

    /// The event that this scanner belongs to since its first install; nil before.
    package var pinnedEvent: String? { trust()?.event }
    /// The highest version ever installed, or set out to; nil before the first.
    package var highestVersion: Int64? { trust().map { max($0.version, $0.seen) } }

    /// What is remembered: of two copies the newer. A memory that cannot be read is made up from the snapshot in force, so
    /// that a bad disk does not keep a scanner from its snapshots for ever.
    func trust() -> SnapshotTrust? {
        let kept = trustFiles.compactMap { path in
            (try? Files.read(path, limit: 65_536)).flatMap { SnapshotTrust(file: $0) }
        }
        if let trust = kept.max(by: { ($0.version, $0.seen) < ($1.version, $1.seen) }) { return trust }
        if let manifest = installed() { return SnapshotTrust(manifest, fileSHA256: nil) }
        for path in (current().map { [$0] } ?? []) + others() {
            if let snapshot = try? Snapshot(path: path), let sum = try? Files.sha256Hex(path) {
                return SnapshotTrust(snapshot, sum)
            }
        }
        return nil
    }

    /// Durably. To be called under the lock.
    func keep(_ trust: SnapshotTrust) throws {
        let bytes = try trust.file()
        for path in trustFiles { try Files.writeAtomically(bytes, to: path) }
    }

    /// Of installers that were killed while they kept it; the inner ones go with the rest of their folder.
    func removeLeftoversOfTrust() {
        let outer = Files.folder(of: folder)
        for name in (try? Files.list(outer)) ?? [] where name.hasPrefix(SnapshotStore.outerTrustName + ".tmp-") {
            try? Files.remove(outer + "/" + name)
        }
    }

    /// Remembers that this version is being brought: an older one is not installed any more, whatever becomes of it. Nothing
    /// is remembered before the first install, which pins the event.
    ///
    /// Throws `SystemError`; `ProgramError` while another process installs.
    package func setOut(for offer: SnapshotOffer) throws {
        guard let known = trust(), known.seen < offer.manifest.version else { return }
        try locked {
            guard var trust = trust(), trust.seen < offer.manifest.version else { return }
            trust.seen = offer.manifest.version
            try keep(trust)
        }
    }
}

extension SnapshotTrust {
    /// Made up from a file: the best that is left.
    fileprivate init(_ snapshot: Snapshot, _ sum: String) {
        (event, version, sha256, created) = (snapshot.event, snapshot.version, sum, snapshot.createdS)
        (fileSHA256, seen) = (sum, snapshot.version)
    }
}
