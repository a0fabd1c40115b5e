import FileSystem
import Snapshots

/// What stands for a snapshot on the command line: its file, or a folder, which stands for the newest in it.
package enum NewestSnapshot {
    /// The file that is meant by a path: of a scanner's folder the one in force, of a published folder the one that its
    /// manifest names. Throws `ExportError` for a folder without either.
    package static func file(_ path: String) throws -> String {
        guard (try? Files.list(path)) != nil else { return path }
        // The manifest does not know the second name that a scanner gives to a file which mends another.
        if let current = SnapshotFileName.current(in: path) { return path + "/" + current }
        guard let manifest = PublishedFolder(path: path).manifest else {
            throw ExportError(detail: "\(path): no manifest in it names a snapshot")
        }
        return path + "/" + manifest.file
    }
}
