import FileSystem
import Snapshots

/// Finds the snapshot file of a file or folder.
package enum NewestSnapshot {
    /// Returns the snapshot file of a path.
    ///
    /// - Parameter path: a file, which is returned unchanged, or a folder. The file of a scanner's folder is the
    ///   installed snapshot. The file of a published folder is the one that its manifest names.
    /// - Throws: `SnapshotExportError.noSnapshot` for a folder without either.
    package static func file(_ path: String) throws(SnapshotExportError) -> String {
        guard (try? Files.list(path)) != nil else { return path }
        // First: a scanner's manifest does not name a file that was installed in place of a damaged one.
        guard let name = SnapshotFileName.current(in: path) ?? PublishedFolder(path: path).manifest?.file else {
            throw .noSnapshot(folder: path)
        }
        let file = path + "/" + name
        // SQLite would wait for a FIFO.
        guard !Files.exists(file) || (try? ForeignFile(name, in: path)) != nil else { throw .noSnapshot(folder: path) }
        return file
    }

    /// Returns the version that the manifest of a published folder names; `nil` without a readable manifest.
    package static func publishedVersion(_ folder: String) -> Int64? { PublishedFolder(path: folder).manifest?.version }
}
