internal import FoundationEssentials
internal import Runtime

/// A manifest that may be installed here: signed by a trusted key, of this event, in time, newer than what is here.
public struct SnapshotOffer: Sendable {
    public let manifest: Manifest
    let manifestBytes: [UInt8]
    let signatureBytes: [UInt8]
    /// Nothing to do: this very version is in force, and its file is whole.
    public let isInstalled: Bool
}

/// What a scanner never forgets about its snapshots: `trust.json`.
struct SnapshotTrust: Codable, Sendable, Equatable {
    /// Pinned by the first install.
    var event: String
    /// The highest version ever installed, and its file's SHA-256.
    var version: Int64
    var sha256: String
    /// `created` of that version, seconds since 1970.
    var created: Int64
}

extension SnapshotStore {
    /// Step 1, before anything is downloaded: may this manifest be installed here?
    ///
    /// Throws `SnapshotRefusal`: malformed, format, untrusted-key, signature, oversized, event, not-newer, expired, future.
    /// One that is in force already is no refusal but `isInstalled`; where its file got damaged, it is offered again.
    ///
    /// - Parameters:
    ///   - manifest: the bytes of manifest.json.
    ///   - signature: the bytes of manifest.json.minisig.
    ///   - keys: the trusted ones; the signature of any of them will do.
    ///   - clock: nil: the device's.
    public func offer(
        manifest bytes: [UInt8], signature: [UInt8], keys: [MinisignPublicKey], clock: InstallClock? = nil
    ) throws(SnapshotRefusal) -> SnapshotOffer {
        let manifest = try SnapshotVerification.manifest(bytes, signature: signature, keys: keys)
        let trust = trust()
        if let trust, trust.event != manifest.event {
            throw SnapshotRefusal(.event, "'\(manifest.event)'; this scanner belongs to '\(trust.event)'")
        }
        var isInstalled = false
        if let trust, manifest.version <= trust.version {
            // The same file again is no step back: it is in force, or it mends what is here.
            guard manifest.version == trust.version, manifest.sha256 == trust.sha256 else {
                throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(trust.version) was installed here")
            }
            isInstalled = isInForce(manifest)
        }
        if !isInstalled {
            try SnapshotVerification.times(of: manifest, clock ?? .device(knownS: trust?.created ?? 0))
        }
        return SnapshotOffer(
            manifest: manifest, manifestBytes: bytes, signatureBytes: signature, isInstalled: isInstalled)
    }

    /// Where the file of an offer is to be put before `install`: in the folder itself, so that it can be renamed. Free to
    /// be resumed; removed by the next install.
    public func candidatePath(for manifest: Manifest) -> String { folder + "/download-\(manifest.version).part" }

    /// Step 2: verifies the file, brings it to the disk, and puts it in force. The file is moved; the lane's thread takes
    /// it over between two taps.
    ///
    /// What is refused leaves everything as it is, the candidate included. A power cut at any point leaves the present
    /// snapshot in force or the new one.
    ///
    /// Throws `SnapshotRefusal`: size, hash, kind, damaged, meta, rows, content, and event and not-newer, which another
    /// install may have made true since the offer; `SystemError` for a disk that does not do; `ProgramError` while another process installs.
    ///
    /// - Parameter candidate: the expanded file, on the same file system as the folder.
    /// - Returns: the version in force now.
    @discardableResult
    public func install(_ offer: SnapshotOffer, file candidate: String) throws -> Int64 {
        try Files.makeFolder(folder)
        let lock = try FileLock(folder + "/install.lock")
        defer { withExtendedLifetime(lock) {} }
        let manifest = offer.manifest
        try SnapshotVerification.file(candidate, manifest)
        if let trust = trust() {
            guard trust.event == manifest.event else {
                throw SnapshotRefusal(.event, "'\(manifest.event)'; this scanner belongs to '\(trust.event)'")
            }
            let isSame = manifest.version == trust.version && manifest.sha256 == trust.sha256
            guard manifest.version > trust.version || isSame else {
                throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(trust.version) was installed here")
            }
        }
        let previous = currentVersion()
        try Files.sync(candidate)
        try Files.rename(candidate, to: folder + "/" + manifest.file)
        // Remembered before it is in force: what was once in force can never be followed by an older one.
        let trust = SnapshotTrust(
            event: manifest.event, version: manifest.version, sha256: manifest.sha256, created: manifest.created)
        try Files.writeAtomically(try JSONEncoder().encode(trust), to: folder + "/trust.json")
        try Files.writeAtomically(offer.manifestBytes, to: folder + "/" + Manifest.fileName)
        try Files.writeAtomically(offer.signatureBytes, to: folder + "/" + Manifest.signatureFileName)
        try Files.writeAtomically(Array((manifest.file + "\n").utf8), to: pointer)
        removeOld(keeping: [manifest.version, previous ?? manifest.version])
        return manifest.version
    }

    /// The manifest of the snapshot in force; nil while there is none.
    public func installed() -> Manifest? {
        guard let bytes = try? Files.read(folder + "/" + Manifest.fileName, limit: Manifest.maxBytes),
            let manifest = try? Manifest(json: bytes), manifest.version == currentVersion()
        else { return nil }
        return manifest
    }

    /// The event that this scanner belongs to since its first install; nil before.
    public var pinnedEvent: String? { trust()?.event }
    /// The highest version ever installed; nil before the first.
    public var highestVersion: Int64? { trust()?.version }

    /// Whether the file in force is the manifest's, byte by byte.
    private func isInForce(_ manifest: Manifest) -> Bool {
        guard currentVersion() == manifest.version, let path = current(), let status = Files.status(path),
            Int64(status.size) == manifest.size
        else { return false }
        return (try? Files.sha256Hex(path)) == manifest.sha256
    }

    /// What the folder remembers. A memory that cannot be read is made up from the snapshot in force, so that a bad sector
    /// does not keep a scanner from its snapshots for ever.
    func trust() -> SnapshotTrust? {
        if let bytes = try? Files.read(folder + "/trust.json", limit: 65_536),
            let trust = try? JSONDecoder().decode(SnapshotTrust.self, from: Data(bytes))
        {
            return trust
        }
        for path in (current().map { [$0] } ?? []) + others() {
            if let snapshot = try? Snapshot(path: path), let sum = try? Files.sha256Hex(path) {
                return SnapshotTrust(
                    event: snapshot.event, version: snapshot.version, sha256: sum, created: snapshot.createdS)
            }
        }
        return nil
    }

    /// The one before stays: a gate may be opening it, and it serves if the new one turns out unreadable.
    private func removeOld(keeping versions: Set<Int64>) {
        for name in (try? Files.list(folder)) ?? [] {
            let version = SnapshotFileName.version(of: name)
            let isOld = version.map { !versions.contains($0) } ?? name.hasPrefix("download-")
            if isOld { try? Files.remove(folder + "/" + name) }
        }
    }
}
