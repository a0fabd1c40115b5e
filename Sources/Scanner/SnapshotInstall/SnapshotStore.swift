import FileSystem
package import Snapshots

/// The snapshots of a scanner: its folder `DIR/snapshots`.
///
/// The file `current` names the installed snapshot. Readers need no lock: a snapshot file never changes, and `current`
/// is replaced atomically.
package struct SnapshotStore: Sendable {
    /// The snapshot folder.
    package let folder: String

    /// - Parameter folder: the snapshot folder. The first installation creates it.
    package init(folder: String) { self.folder = folder }

    /// The file that holds the name of the current snapshot, in one line.
    var pointer: String { folder + "/current" }

    /// The file name of the current snapshot; `nil` if none is installed.
    var currentName: String? { SnapshotFileName.current(in: folder) }

    /// Returns the path of the current snapshot; `nil` if none is installed.
    package func current() -> String? { currentName.map { folder + "/" + $0 } }

    /// Returns the version of the current snapshot, by its file name; `nil` if none is installed.
    package func currentVersion() -> Int64? { currentName.flatMap { SnapshotFileName.version(of: $0) } }

    /// Returns the manifest of the current snapshot; `nil` if none is installed or its manifest cannot be read.
    package func installed() -> Manifest? {
        guard let bytes = try? Files.read(folder + "/" + Manifest.fileName, limit: Manifest.maxBytes),
            let manifest = try? Manifest(json: bytes), manifest.version == currentVersion()
        else { return nil }
        return manifest
    }

    /// The paths of the snapshots that were installed before and are still here, newest first. Only verified files get
    /// such a name.
    func others() -> [String] {
        let present = currentName
        let named = ((try? Files.list(folder)) ?? []).compactMap { name in
            SnapshotFileName.version(of: name).map { (version: $0, name: name) }
        }
        return named.filter { $0.name != present }.sorted { $0.version > $1.version }.map { folder + "/" + $0.name }
    }

    /// Returns the `EventKey.fingerprint` that the scanner uses: of the gate's snapshot, otherwise of the current one.
    ///
    /// - Parameter version: the version that the gate uses; `nil` if it is not known.
    /// - Returns: `nil` without a snapshot, or if it states no key.
    package func keyInUse(gate version: Int64?) -> String? {
        let paths = (current().map { [$0] } ?? []) + others()
        let used = paths.first { SnapshotFileName.version(of: Files.name(of: $0)) == version }
        return (used ?? current()).flatMap { try? Snapshot(path: $0) }?.keyFingerprint
    }

    /// Returns whether an installed snapshot states the event key with this `EventKey.fingerprint`.
    package func hasSnapshot(of fingerprint: String) -> Bool {
        ((current().map { [$0] } ?? []) + others()).contains {
            (try? Snapshot(path: $0))?.keyFingerprint == fingerprint
        }
    }

    /// A name for a file of `version` that no gate has open. A version has two names: the one without a file is chosen,
    /// else the one that is not current.
    func freeName(for version: Int64) -> String {
        let names = [SnapshotFileName.of(version), SnapshotFileName.second(version)]
        return names.first { !Files.exists(folder + "/" + $0) } ?? names.first { $0 != currentName } ?? names[0]
    }

    /// Returns the status of the file `current`, which changes with each installation. One stat(2).
    func pointerStatus() -> Files.Status? { Files.status(pointer) }

    /// Returns whether the current file is as it was installed, by reading all of it: a tenth of a second, or a second
    /// after a delta. `true` if none is installed.
    package func isIntact() -> Bool {
        guard let path = current() else { return true }
        if let trust = trust(), trust.version == currentVersion(), let sum = trust.fileSHA256 {
            return (try? Files.sha256Hex(path)) == sum
        }
        guard let manifest = installed() else { return Files.exists(path) }
        return (try? SnapshotVerification.rows(path, manifest)) != nil
    }
}
