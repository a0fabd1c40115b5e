import DataFolder
import FileSystem
package import Minisign
package import Snapshots

/// A manifest that may be installed on this scanner: signed by a trusted key, of this event, in time, and newer than
/// the current snapshot.
package struct SnapshotOffer: Sendable {
    /// The verified manifest.
    package let manifest: Manifest
    let manifestBytes: [UInt8]
    let signatureBytes: [UInt8]
    /// Whether this version is already installed and intact.
    package let isInstalled: Bool
}

/// Installation in two steps: `offer` checks a manifest before anything is downloaded, `install` verifies the file and
/// makes it current.
extension SnapshotStore {
    /// Step 1: checks whether a manifest may be installed here.
    ///
    /// A snapshot that is already installed is not refused: the offer says `isInstalled`. If its file is damaged, it
    /// may be installed again.
    ///
    /// - Parameters:
    ///   - bytes: the content of manifest.json.
    ///   - signature: the content of manifest.json.minisig.
    ///   - keys: the trusted keys. A signature of any of them is accepted.
    ///   - clock: `nil` for the device clock.
    ///   - readsFile: whether the current file is read for damage, as in `isIntact`.
    /// - Throws: `SnapshotRefusal` malformed, format, untrusted-key, signature, oversized, event, not-newer, expired or
    ///   future.
    package func offer(
        manifest bytes: [UInt8], signature: [UInt8], keys: [MinisignPublicKey], clock: InstallClock? = nil,
        readsFile: Bool = true
    ) throws(SnapshotRefusal) -> SnapshotOffer {
        let manifest = try SnapshotVerification.manifest(bytes, signature: signature, keys: keys)
        let trust = trust()
        try trust?.check(manifest)
        let isInstalled = trust.map { isCurrent(manifest, $0, readsFile: readsFile) } ?? false
        if !isInstalled {
            try SnapshotVerification.times(of: manifest, clock ?? .device(knownS: trust?.created ?? 0))
        }
        return SnapshotOffer(
            manifest: manifest, manifestBytes: bytes, signatureBytes: signature, isInstalled: isInstalled)
    }

    /// The path at which the full file of a manifest has to be placed before `install`.
    ///
    /// It is in the snapshot folder, so that the file can be renamed. A partial file may be resumed. The next
    /// installation removes it.
    package func candidatePath(for manifest: Manifest) -> String { folder + "/download-\(manifest.version).part" }

    /// Step 2: verifies the full file, syncs it and makes it current. The file is moved.
    ///
    /// If the file is refused, everything stays unchanged, including the candidate. After a power cut at any point
    /// either the previous snapshot or the new one is current.
    ///
    /// - Parameters:
    ///   - offer: the result of step 1.
    ///   - candidate: the expanded file, on the same file system as the folder.
    /// - Returns: the version that is now installed.
    /// - Throws: `SnapshotRefusal` size, hash, kind, damaged, meta, rows or content; also event or not-newer, if
    ///   another installation came first. `SystemError` if the disk fails. `FileLock.Held` while another process
    ///   installs.
    @discardableResult
    package func install(_ offer: SnapshotOffer, file candidate: String) throws -> Int64 {
        try withInstallLock {
            try SnapshotVerification.file(candidate, offer.manifest)
            return try activate(offer, candidate, fileSHA256: offer.manifest.sha256)
        }
    }

    /// Runs `body` under the folder's installation lock.
    ///
    /// - Throws: `FileLock.Held` while another process installs, and errors of `body`.
    func withInstallLock<Result>(_ body: () throws -> Result) throws -> Result {
        try Files.makeFolder(folder)
        let lock = try FileLock(folder + "/install.lock")
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Makes a verified file current. The last step of every installation.
    func activate(_ offer: SnapshotOffer, _ candidate: String, fileSHA256: String) throws -> Int64 {
        let manifest = offer.manifest
        try trust()?.check(manifest)
        let previous = currentName
        let name = freeName(for: manifest.version)
        try Files.sync(candidate)
        do {
            try Files.rename(candidate, to: folder + "/" + name)
            // The trust file is written first: a version that was current once must never be followed by an older one.
            try save(SnapshotTrust(manifest, fileSHA256: fileSHA256, after: trust()))
            try Files.writeAtomically(offer.manifestBytes, to: folder + "/" + Manifest.fileName)
            try Files.writeAtomically(offer.signatureBytes, to: folder + "/" + Manifest.signatureFileName)
            try Files.writeAtomically(Array((name + "\n").utf8), to: pointer)
        } catch {
            // Otherwise `others` would take it for a snapshot that was installed before.
            if currentName != name { try? Files.remove(folder + "/" + name) }
            throw error
        }
        removeOldFiles(current: name, previous: previous)
        return manifest.version
    }

    /// Whether the manifest's snapshot is current and, if `readsFile`, intact.
    private func isCurrent(_ manifest: Manifest, _ trust: SnapshotTrust, readsFile: Bool) -> Bool {
        guard manifest.version == trust.version, currentVersion() == manifest.version, let path = current(),
            Files.exists(path)
        else { return false }
        return readsFile ? isIntact() : true
    }

    /// Removes partial downloads of other snapshots, each of which may be as large as a snapshot.
    ///
    /// - Parameter manifests: the snapshots whose partial downloads stay.
    package func removeCandidates(except manifests: [Manifest]) {
        let own = manifests.map { "download-\($0.version)." }
        for name in (try? Files.list(folder)) ?? []
        where name.hasPrefix("download-") && !own.contains(where: { name.hasPrefix($0) }) {
            try? Files.remove(folder + "/" + name)
        }
    }

    /// Removes old snapshots and the files of killed installations.
    ///
    /// The previous snapshot stays: a gate may be opening it, and it is the fallback if the new one is unreadable. So
    /// do the snapshots that `namesInUse` returns.
    private func removeOldFiles(current name: String, previous: String?) {
        let names = (try? Files.list(folder)) ?? []
        let kept = namesInUse(current: name, previous: previous)
        for other in names where other != name && !kept.contains(other) {
            if SnapshotFileName.version(of: other) != nil || other.hasPrefix("download-") || other.contains(".tmp-") {
                try? Files.remove(folder + "/" + other)
            }
        }
        removeTrustLeftovers()
    }

    /// Returns the names of the older snapshots from which a gate may decide.
    ///
    /// These are the previous one, the one that `gate.json` names, and the newest one of each other event key. A gate
    /// does not use snapshots of another key than its own, and the installer does not know that key. A damaged file of
    /// the current version that was replaced does not count.
    private func namesInUse(current name: String, previous: String?) -> Set<String> {
        let version = SnapshotFileName.version(of: name)
        let others = others().map(Files.name(of:)).filter { SnapshotFileName.version(of: $0) != version }
        var kept = Set([others.first { $0 == previous } ?? others.first].compactMap(\.self))
        if let used = GateState.read(folder: Files.folder(of: folder))?.snapshot {
            kept.formUnion(others.filter { SnapshotFileName.version(of: $0) == used })
        }
        // `nil` for a file that cannot be opened; empty for one that states no key.
        func key(_ name: String) -> String? {
            (try? Snapshot(path: folder + "/" + name)).map { $0.keyFingerprint ?? "" }
        }
        var keys = Set([key(name)])
        for other in others {
            if let otherKey = key(other), keys.insert(otherKey).inserted { kept.insert(other) }
        }
        return kept
    }
}

extension SnapshotTrust {
    /// Checks the event and the version of a manifest.
    ///
    /// - Throws: `SnapshotRefusal` event or not-newer.
    fileprivate func check(_ manifest: Manifest) throws(SnapshotRefusal) {
        guard identity.isSame(as: manifest.identity) else {
            throw SnapshotRefusal(
                .event,
                "it is of event \(manifest.identity), and this scanner is pinned to \(identity). To use the scanner for "
                    + "another event, upload its scans first (tapline-publisher ship), then give it another data folder"
            )
        }
        // The same file again is no rollback: it is current, or it replaces a damaged file.
        let isSame = manifest.version == version && manifest.sha256 == sha256
        guard manifest.version > version || isSame else {
            throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(version) was installed here")
        }
        guard isSame || manifest.version >= seen else {
            throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(seen) was offered here")
        }
    }
}
