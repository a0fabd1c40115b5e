import FileSystem
package import Minisign
package import Snapshots

/// A manifest that may be installed here: signed by a trusted key, of this event, in time, newer than what is here.
package struct SnapshotOffer: Sendable {
    package let manifest: Manifest
    let manifestBytes: [UInt8]
    let signatureBytes: [UInt8]
    /// Nothing to do: this very version is in force.
    package let isInstalled: Bool
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
    ///   - readsFile: whether the file in force is read for damage: a tenth of a second, or a second after a delta.
    package func offer(
        manifest bytes: [UInt8], signature: [UInt8], keys: [MinisignPublicKey], clock: InstallClock? = nil,
        readsFile: Bool = true
    ) throws(SnapshotRefusal) -> SnapshotOffer {
        let manifest = try SnapshotVerification.manifest(bytes, signature: signature, keys: keys)
        let trust = trust()
        try trust?.check(manifest)
        let isInstalled = trust.map { isInForce(manifest, $0, readsFile: readsFile) } ?? false
        if !isInstalled {
            try SnapshotVerification.times(of: manifest, clock ?? .device(knownS: trust?.created ?? 0))
        }
        return SnapshotOffer(
            manifest: manifest, manifestBytes: bytes, signatureBytes: signature, isInstalled: isInstalled)
    }

    /// Where the file of an offer is to be put before `install`: in the folder itself, so that it can be renamed. Free to
    /// be resumed; removed by the next install.
    package func candidatePath(for manifest: Manifest) -> String { folder + "/download-\(manifest.version).part" }

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
    package func install(_ offer: SnapshotOffer, file candidate: String) throws -> Int64 {
        try locked {
            try SnapshotVerification.file(candidate, offer.manifest)
            return try putInForce(offer, candidate, fileSHA256: offer.manifest.sha256)
        }
    }

    /// Runs `body` alone among the processes that install here. Throws `ProgramError` while another one does.
    func locked<Result>(_ body: () throws -> Result) throws -> Result {
        try Files.makeFolder(folder)
        let lock = try FileLock(folder + "/install.lock")
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// The last step, for a file that is verified.
    func putInForce(_ offer: SnapshotOffer, _ candidate: String, fileSHA256: String) throws -> Int64 {
        let manifest = offer.manifest
        try trust()?.check(manifest)
        let previous = currentName
        let name = freeName(for: manifest.version)
        try Files.sync(candidate)
        do {
            try Files.rename(candidate, to: folder + "/" + name)
            // Remembered before it is in force: what was once in force can never be followed by an older one.
            try keep(SnapshotTrust(manifest, fileSHA256: fileSHA256))
            try Files.writeAtomically(offer.manifestBytes, to: folder + "/" + Manifest.fileName)
            try Files.writeAtomically(offer.signatureBytes, to: folder + "/" + Manifest.signatureFileName)
            try Files.writeAtomically(Array((name + "\n").utf8), to: pointer)
        } catch {
            // Or it would pass for one that was in force before.
            if currentName != name { try? Files.remove(folder + "/" + name) }
            throw error
        }
        removeOld(name, after: previous)
        return manifest.version
    }

    /// The manifest of the snapshot in force; nil while there is none.
    package func installed() -> Manifest? {
        guard let bytes = try? Files.read(folder + "/" + Manifest.fileName, limit: Manifest.maxBytes),
            let manifest = try? Manifest(json: bytes), manifest.version == currentVersion()
        else { return nil }
        return manifest
    }

    /// Whether the manifest's snapshot is in force; after a look into its file, in the state in which it was installed.
    private func isInForce(_ manifest: Manifest, _ trust: SnapshotTrust, readsFile: Bool) -> Bool {
        guard manifest.version == trust.version, currentVersion() == manifest.version, let path = current(),
            Files.exists(path)
        else { return false }
        return readsFile ? isWhole() : true
    }

    /// Whether the file in force is in the state in which it was installed, by reading all of it; true while there is none.
    package func isWhole() -> Bool {
        guard let path = current() else { return true }
        if let trust = trust(), trust.version == currentVersion(), let sum = trust.fileSHA256 {
            return (try? Files.sha256Hex(path)) == sum
        }
        guard let manifest = installed() else { return Files.exists(path) }
        return (try? SnapshotVerification.rows(path, manifest)) != nil
    }

    /// Removes what was begun of other snapshots than these: each may be as large as a list.
    package func removeCandidates(butOf manifests: [Manifest]) {
        let own = manifests.map { "download-\($0.version)." }
        for name in (try? Files.list(folder)) ?? []
        where name.hasPrefix("download-") && !own.contains(where: { name.hasPrefix($0) }) {
            try? Files.remove(folder + "/" + name)
        }
    }

    /// The one before stays: a gate may be opening it, and it serves if the new one turns out unreadable. A file that was
    /// mended is not one before. What installers that were killed left behind goes, too.
    private func removeOld(_ name: String, after previous: String?) {
        let version = SnapshotFileName.version(of: name)
        let names = (try? Files.list(folder)) ?? []
        let others = others().map { String($0.split(separator: "/").last ?? "") }
            .filter { SnapshotFileName.version(of: $0) != version }
        let kept = others.first { $0 == previous } ?? others.first
        for other in names where other != name && other != kept {
            if SnapshotFileName.version(of: other) != nil || other.hasPrefix("download-") || other.contains(".tmp-") {
                try? Files.remove(folder + "/" + other)
            }
        }
        removeLeftoversOfTrust()
    }
}

extension SnapshotTrust {
    /// Throws `SnapshotRefusal`: event, not-newer.
    fileprivate func check(_ manifest: Manifest) throws(SnapshotRefusal) {
        guard event == manifest.event else {
            throw SnapshotRefusal(
                .event,
                "'\(manifest.event)'; this scanner belongs to '\(event)', and moves with an empty data folder only")
        }
        // The same file again is no step back: it is in force, or it mends what is here.
        let isSame = manifest.version == version && manifest.sha256 == sha256
        guard manifest.version > version || isSame else {
            throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(version) was installed here")
        }
        guard isSame || manifest.version >= seen else {
            throw SnapshotRefusal(.notNewer, "version \(manifest.version); \(seen) was offered here")
        }
    }
}
