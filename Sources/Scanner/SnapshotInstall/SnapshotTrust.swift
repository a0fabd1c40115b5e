import Crypto
import FileSystem
import FoundationEssentials
import Snapshots

/// The facts about its snapshots that a scanner must not lose: the pinned event and the highest version.
///
/// Stored twice with a checksum: `trust.json` among the snapshots and `snapshot-trust.json` in the folder above. So
/// neither a bad sector nor an emptied snapshot folder makes a scanner accept an older snapshot. A flipped digit does
/// not make it refuse all newer ones.
struct SnapshotTrust: Codable, Sendable, Equatable {
    /// Name of the pinned event, by the snapshot that was installed last.
    var event: String
    /// UUID of the event that the first installation with a UUID pinned; `nil` before it. The name is pinned then.
    var eventID: String?
    /// The highest version ever installed.
    var version: Int64
    /// SHA-256 of that version's full file, by its manifest.
    var sha256: String
    /// `created` of that version, in seconds since 1970.
    var created: Int64
    /// SHA-256 of the installed file; `nil` if not known. A file made by a delta has the same rows in other bytes.
    var fileSHA256: String?
    /// The highest version that this scanner started to install. A source that later offers an older version was rolled
    /// back.
    var seen: Int64

    /// Parses a trust file.
    ///
    /// - Returns: `nil` if the checksum does not match.
    init?(file bytes: [UInt8]) {
        guard let sealed = try? JSONDecoder().decode(Sealed.self, from: Data(bytes)),
            Hex.encode(SHA256.hash(Array(sealed.trust.utf8))) == sealed.sha256,
            let trust = try? JSONDecoder().decode(SnapshotTrust.self, from: Data(sealed.trust.utf8))
        else { return nil }
        self = trust
    }

    /// - Parameter previous: the trust until now. Its UUID stays pinned if the manifest has none.
    init(_ manifest: Manifest, fileSHA256: String?, after previous: SnapshotTrust? = nil) {
        event = manifest.event
        eventID = manifest.eventID ?? previous?.eventID
        version = manifest.version
        sha256 = manifest.sha256
        created = manifest.created
        self.fileSHA256 = fileSHA256
        seen = manifest.version
    }

    /// The pinned event.
    var identity: EventIdentity { EventIdentity(name: event, id: eventID) }

    /// The content of a trust file.
    func file() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let text = String(decoding: try encoder.encode(self), as: UTF8.self)
        return Array(try encoder.encode(Sealed(trust: text, sha256: Hex.encode(SHA256.hash(Array(text.utf8))))))
    }

    /// The JSON as text, so that the checksum covers its exact bytes.
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

    /// The name of the pinned event; `nil` before the first installation.
    package var pinnedEvent: String? { trust()?.event }

    /// The highest version ever installed or started to install; `nil` before the first installation.
    package var highestVersion: Int64? { trust().map { max($0.version, $0.seen) } }

    /// Reads the trust files; of two copies the newer one counts.
    ///
    /// If neither can be read, the trust is derived from the current snapshot. Otherwise a bad disk would lock the
    /// scanner out of all snapshots.
    ///
    /// - Returns: `nil` before the first installation.
    func trust() -> SnapshotTrust? {
        let copies = trustFiles.compactMap { path in
            (try? Files.read(path, limit: 65_536)).flatMap { SnapshotTrust(file: $0) }
        }
        if let trust = copies.max(by: { ($0.version, $0.seen) < ($1.version, $1.seen) }) { return trust }
        if let manifest = installed() { return SnapshotTrust(manifest, fileSHA256: nil) }
        for path in (current().map { [$0] } ?? []) + others() {
            if let snapshot = try? Snapshot(path: path), let sum = try? Files.sha256Hex(path) {
                return SnapshotTrust(snapshot, sum)
            }
        }
        return nil
    }

    /// Writes both trust files durably. Call it under the installation lock.
    func save(_ trust: SnapshotTrust) throws {
        let bytes = try trust.file()
        for path in trustFiles { try Files.writeAtomically(bytes, to: path) }
    }

    /// Removes temporary outer trust files of killed installations. `removeOldFiles` removes the inner ones.
    func removeTrustLeftovers() {
        let outer = Files.folder(of: folder)
        for name in (try? Files.list(outer)) ?? [] where name.hasPrefix(SnapshotStore.outerTrustName + ".tmp-") {
            try? Files.remove(outer + "/" + name)
        }
    }

    /// Records that a version is about to be downloaded. From then on older versions are refused, even if the download
    /// fails. Does nothing before the first installation, which pins the event.
    ///
    /// - Throws: `SystemError`; `FileLock.Held` while another process installs.
    package func recordOffered(_ offer: SnapshotOffer) throws {
        guard let known = trust(), known.seen < offer.manifest.version else { return }
        try withInstallLock {
            guard var trust = trust(), trust.seen < offer.manifest.version else { return }
            trust.seen = offer.manifest.version
            try save(trust)
        }
    }
}

extension SnapshotTrust {
    /// The trust derived from a snapshot file, when no manifest is left.
    fileprivate init(_ snapshot: Snapshot, _ sum: String) {
        event = snapshot.event
        eventID = snapshot.eventID
        version = snapshot.version
        sha256 = sum
        created = snapshot.createdS
        fileSHA256 = sum
        seen = snapshot.version
    }
}
