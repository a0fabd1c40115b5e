import CLI
import FileSystem
import LinuxSystem
import Postgres
import Runtime

/// One export at a time: in a folder, by a lock file; on a database, by an advisory lock, so that versions rise. Held as long
/// as the object and the connection live, and gone with the process, whatever becomes of it.
final class ExportLock {
    /// "TPLN" and 2. 1 is the presence lock (`tapline_internal.lock_presence`): scans are stored, and exports begin, while the other
    /// goes on.
    static let advisoryKey: Int64 = 0x5450_4C4E_0002
    /// Between two looks at a lock.
    static let lookMs = 100

    private let file: FileLock

    /// Waits for others: a center exports when somebody changed the list, and who exports by hand just then gets his turn.
    ///
    /// Throws `ProgramError` (failed) when they take longer than `waitMs`, or when stopped.
    init(_ folder: PublishedFolder, _ connection: PostgresConnection, waitMs: Int, _ stop: StopSignal) throws {
        let deadline = SystemClock.monotonicMs() + Int64(waitMs)
        func pause(_ place: String) throws {
            try SnapshotExporter.goOn(stop)
            guard SystemClock.monotonicMs() < deadline else {
                throw ProgramError.failed("another export is running \(place)")
            }
            stop.wait(ms: ExportLock.lookMs)
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
