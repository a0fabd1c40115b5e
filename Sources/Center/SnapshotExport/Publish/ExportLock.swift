import FileSystem
import LinuxSystem
import Postgres
import Runtime

/// Excludes concurrent exports: by a lock file in the folder, and by an advisory lock on the database, so that versions
/// rise.
///
/// The lock is held while the object and the connection live. A process that dies releases it.
final class ExportLock {
    /// "TPLN" and 2. 1 is the trackers' lock, which is separate, so that tracking and exports do not block each other.
    static let advisoryKey: Int64 = 0x5450_4C4E_0002
    /// Interval between two attempts, in milliseconds.
    static let retryMs = 100

    private let file: FileLock

    /// Waits for the lock, because a manual export can coincide with an automatic one.
    ///
    /// - Parameters:
    ///   - waitMs: maximum waiting time, in milliseconds.
    ///   - stop: ends the wait.
    /// - Throws: `SnapshotExportError.busy` after `waitMs`, `.stopped`; `SystemError`, `PostgresError`.
    init(_ folder: PublishedFolder, _ connection: PostgresConnection, waitMs: Int, stop: StopSignal) throws {
        let deadline = SystemClock.monotonicMs() + Int64(waitMs)
        func pause(_ place: String) throws {
            try stop.check()
            guard SystemClock.monotonicMs() < deadline else { throw SnapshotExportError.busy(place) }
            stop.wait(ms: ExportLock.retryMs)
        }
        while true {
            do {
                file = try FileLock(folder.lockPath)
                break
            } catch is FileLock.Held { try pause("in \(folder.path)") }
        }
        while try !connection.query("SELECT pg_try_advisory_lock($1)", [.int64(ExportLock.advisoryKey)]).bool(0, 0) {
            try pause("on this database")
        }
    }
}
