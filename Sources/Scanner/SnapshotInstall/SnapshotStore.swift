package import FileSystem
import Snapshots

/// The snapshots of a scanner: `DIR/snapshots`.
package struct SnapshotStore: Sendable {
    package let folder: String

    /// - Parameter folder: made by the first install; may be missing until then.
    package init(folder: String) { self.folder = folder }

    /// Holds the name of the file in force, one line.
    var pointer: String { folder + "/current" }

    /// The name of the file in force; nil while there is none.
    var currentName: String? { SnapshotFileName.current(in: folder) }

    /// The path of the snapshot in force; nil while there is none.
    package func current() -> String? { currentName.map { folder + "/" + $0 } }

    /// The version of the snapshot in force, by its name; nil while there is none.
    package func currentVersion() -> Int64? { currentName.flatMap { SnapshotFileName.version(of: $0) } }

    /// Paths of the snapshots that were in force before and are still here, newest first. Only what was verified whole ever
    /// gets such a name.
    func others() -> [String] {
        let present = currentName
        let named = ((try? Files.list(folder)) ?? []).compactMap { name in
            SnapshotFileName.version(of: name).map { (version: $0, name: name) }
        }
        return named.filter { $0.name != present }.sorted { $0.version > $1.version }.map { folder + "/" + $0.name }
    }

    /// A name for the file of `version` that no gate has open: of the two that a version may have, the one which is not
    /// there, or else the one not in force.
    func freeName(for version: Int64) -> String {
        let names = [SnapshotFileName.of(version), SnapshotFileName.second(version)]
        return names.first { !Files.exists(folder + "/" + $0) } ?? names.first { $0 != currentName } ?? names[0]
    }

    /// Changes when another snapshot comes into force; cheap enough to be asked twice a second.
    package func mark() -> Files.Status? { Files.status(pointer) }
}
