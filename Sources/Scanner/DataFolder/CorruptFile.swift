import FileSystem
import LinuxSystem
import Runtime

/// Quarantines a corrupt database: renames its file and its WAL.
///
/// The WAL is renamed first, so the file is never opened without it as if it were whole. A renamed WAL without its file
/// means that the rename was interrupted. The next opening completes it.
package enum CorruptFile {
    private static let wal = "-wal"
    /// In the order of the rename. The -shm must be renamed before a new file is made, because a reader may hold it
    /// open.
    package static let suffixes = [wal, "-shm", ""]
    /// Size of the header of a WAL, in bytes.
    private static let walHeaderBytes = 32

    /// Quarantines a file.
    ///
    /// - Parameter reason: why it is corrupt, for log and error.
    /// - Returns: the new name.
    /// - Throws: `DataFileError` if it cannot be renamed.
    static func move(_ path: String, _ reason: String) throws -> String {
        let name = freeName(path)
        do {
            // A WAL without its file gets an empty one, which marks the end of the rename.
            if !Files.exists(path), Files.exists(path + wal) { try Files.writeAtomically([], to: path) }
            try rename(path, to: name)
        } catch { throw DataFileError(path, "\(reason); it cannot be renamed: \(error)") }
        Log("journal").error(
            "damaged file quarantined, a new one is made", [.path: path, .file: name, .reason: reason])
        return name
    }

    /// Completes an interrupted rename.
    ///
    /// - Returns: the new name; `nil` if there was no interrupted rename.
    static func finish(_ path: String) throws -> String? {
        guard let name = unfinished(path) else { return nil }
        do { try rename(path, to: name) } catch { throw DataFileError(path, "it cannot be renamed: \(error)") }
        Log("journal").error(
            "damaged file quarantined, a new one is made",
            [.path: path, .file: name, .reason: "an earlier start was interrupted"])
        return name
    }

    /// The new name of a file whose WAL is renamed already, and which itself is not; `nil` without such a file.
    package static func unfinished(_ path: String) -> String? {
        guard Files.exists(path), !Files.exists(path + wal) else { return nil }
        return names(path).last { Files.exists($0 + wal) && !Files.exists($0) }
    }

    /// The quarantined files of a path: full names without suffixes, sorted.
    package static func names(_ path: String) -> [String] {
        let folder = Files.folder(of: path)
        let name = Files.name(of: path)
        let found = ((try? Files.list(folder)) ?? []).filter { $0.hasPrefix(name + DataFolderPaths.damagedMark) }
        return Set(found.filter { !$0.hasSuffix("-shm") }.map { $0.hasSuffix(wal) ? String($0.dropLast(4)) : $0 })
            .sorted().map { folder + "/" + $0 }
    }

    /// The path of the WAL of a file, also after an interrupted rename.
    package static func walPath(of path: String) -> String { (unfinished(path) ?? path) + wal }

    /// Whether a file is missing or empty, and its WAL is not. SQLite would delete the WAL, even on a read-only
    /// connection.
    package static func isWALAlone(_ path: String) -> Bool {
        isEmpty(path) && (Files.status(path + wal)?.size ?? 0) > walHeaderBytes
    }

    /// Whether the file is missing or empty, and must not be opened for reading.
    package static func isEmpty(_ path: String) -> Bool { (Files.status(path)?.size ?? 0) == 0 }

    private static func rename(_ path: String, to name: String) throws {
        for suffix in suffixes where Files.exists(path + suffix) { try Files.rename(path + suffix, to: name + suffix) }
    }

    private static func freeName(_ path: String) -> String {
        let stamp = UTCTime.text(microseconds: SystemClock.nowMicroseconds()).filter { $0 != ":" }
        let name = "\(path)\(DataFolderPaths.damagedMark)\(stamp)"
        var (free, count) = (name, 1)
        while suffixes.contains(where: { Files.exists(free + $0) }) {
            count += 1
            free = "\(name)-\(count)"
        }
        return free
    }
}
