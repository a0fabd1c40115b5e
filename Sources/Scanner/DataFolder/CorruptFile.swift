import FileSystem
import LinuxSystem
import Runtime

/// Moves a damaged database out of the way so that at every moment its file and its log can be told to belong together.
///
/// The log (-wal) goes first, so a file never stands there without it and is never opened as if it were whole. A log of that
/// name without its file, beside a file without its log, means that the move was cut off, and the next opening ends it.
package enum CorruptFile {
    private static let log = "-wal"
    /// In the order of the move. The -shm must be gone before another file begins: a reader may still hold it open.
    package static let suffixes = [log, "-shm", ""]
    /// SQLite's log has a head of so many bytes.
    private static let logHeadBytes = 32

    /// Returns the new name. Throws `DataFileError` when the disk does not do it; the reason is told with it.
    static func move(_ path: String, _ reason: String) throws -> String {
        let name = freeName(path)
        do {
            // A log that has lost its file gets an empty one, to be the end of the move.
            if !Files.exists(path), Files.exists(path + log) { try Files.writeAtomically([], to: path) }
            try rename(path, to: name)
        } catch { throw DataFileError(path, "\(reason); it cannot be set aside: \(error)") }
        Log("journal").error("damaged file set aside, a new one starts", [.path: path, .file: name, .reason: reason])
        return name
    }

    /// Ends a move that was cut off; returns its new name, or nil when there was none.
    static func finish(_ path: String) throws -> String? {
        guard let name = unfinished(path) else { return nil }
        do { try rename(path, to: name) } catch { throw DataFileError(path, "it cannot be set aside: \(error)") }
        Log("journal").error(
            "damaged file set aside, a new one starts",
            [.path: path, .file: name, .reason: "an earlier start was cut off while it did so"])
        return name
    }

    /// The new name of a file whose log has been moved, and which is still in its place; nil when there is no such file.
    package static func unfinished(_ path: String) -> String? {
        guard Files.exists(path), !Files.exists(path + log) else { return nil }
        return names(path).last { Files.exists($0 + log) && !Files.exists($0) }
    }

    /// What was set aside of a file: full names without suffixes, in order.
    package static func names(_ path: String) -> [String] {
        let folder = Files.folder(of: path)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let found = ((try? Files.list(folder)) ?? []).filter { $0.hasPrefix(name + DataFolderPaths.damagedMark) }
        return Set(found.filter { !$0.hasSuffix("-shm") }.map { $0.hasSuffix(log) ? String($0.dropLast(4)) : $0 })
            .sorted().map { folder + "/" + $0 }
    }

    /// Where the log of a file is, wherever a cut left it.
    package static func log(of path: String) -> String { (unfinished(path) ?? path) + log }

    /// Whether a file is lost or empty beside a log that is not. SQLite would delete the log at the first look, even one
    /// that may write nothing.
    package static func isLogAlone(_ path: String) -> Bool {
        isEmpty(path) && (Files.status(path + log)?.size ?? 0) > logHeadBytes
    }

    /// Whether there is no file, or nothing in it: not to be opened for reading.
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
