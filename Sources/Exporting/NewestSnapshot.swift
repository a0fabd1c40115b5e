internal import Runtime
internal import Snapshots

/// What stands for a snapshot on the command line: its file, or a folder, which stands for the newest in it.
public enum NewestSnapshot {
    /// The file that is meant by a path: that of a folder is named by its manifest, be it a published folder or a
    /// scanner's. Throws `ExportError` for a folder without one.
    public static func file(_ path: String) throws -> String {
        guard (try? Files.list(path)) != nil else { return path }
        guard let manifest = PublishedFolder(path: path).manifest else {
            throw ExportError(detail: "\(path): no manifest in it names a snapshot")
        }
        return path + "/" + manifest.file
    }
}
