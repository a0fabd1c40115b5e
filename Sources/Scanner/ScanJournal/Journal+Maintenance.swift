import DataFolder
import FileSystem
import SQLite

/// What a lane does for its journal while nobody taps: fold the log back, keep the emergency reserve, prune.
///
/// **A full disk.** A tap goes to the log, which has its full size already, and from there by a checkpoint into pages of the
/// file, which are taken from those free inside it. The file grows only here, and only after its new room was taken on the
/// disk for good. When there is none, the rows of the reserve are given up one by one. (On a file system that never
/// overwrites in place, btrfs for one, a full disk is a full disk.)
extension Journal {
    /// One bounded piece of the work of idle moments. True: there is more to do, call again when no tap waits.
    ///
    /// A disk without room is no error: see `health`. Throws `DataFileError`.
    package func tidy() throws -> Bool {
        do {
            if chores.tapsSinceCheckpoint >= MaintenanceState.tapsToCheckpoint {
                try checkpoint()
                return true
            }
            if try carryOn() { return true }
            let nowMs = monotonicMs()
            if nowMs >= chores.reserveLookMs {
                if try keepLog() { return true }
                if try keepReserve() { return true }
                chores.reserveLookMs = nowMs + MaintenanceState.reserveEveryMs
            }
            if nowMs >= chores.pruneLookMs {
                if try prune() { return true }
                chores.pruneLookMs = nowMs + MaintenanceState.pruneEveryMs
            }
            return lookThrough()
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// How the journal stands, for the status of the lane.
    package struct Health: Hashable, Sendable {
        /// Rows of 64 pages that are left of the reserve, of `reserveFull`.
        package var reserve: Int
        package var reserveFull: Int
        /// Why the reserve is not whole, or the log not of its size; nil while all is well, or not yet looked at.
        package var problem: String?
        /// Damaged journals that were set aside in this folder, by file name.
        package var damaged: [String]

        package var isReserveWhole: Bool { reserve >= reserveFull }
    }

    package var health: Health {
        Health(
            reserve: Int(chores.reserveRows), reserveFull: Int(MaintenanceState.reserveRows), problem: chores.problem,
            damaged: DataFolderPaths.damagedJournals(folder))
    }

    /// Names of the damaged journals that were set aside in a data folder, for a status without the journal itself.
    package static func damagedFiles(folder: String) -> [String] { DataFolderPaths.damagedJournals(folder) }

    // MARK: The log

    /// Folds the log back into the file, and begins it anew. Waits for no reader.
    private func checkpoint() throws {
        chores.tapsSinceCheckpoint = 0
        _ = try database.int("PRAGMA wal_checkpoint(PASSIVE)")
        // The first write after it begins the log anew, with an fdatasync of its own for the log's head: not with a tap.
        try database.execute("PRAGMA user_version = \(JournalFile.durable.format)")
    }

    /// Brings the log nearer to its size; true when it was not there.
    private func keepLog() throws -> Bool {
        let log = path + "-wal"
        if (Files.status(log)?.size ?? 0) > 2 * MaintenanceState.logBytes {
            // Grown under a long read. Nobody is waited for: if a reader is at it, another time.
            try database.execute("PRAGMA busy_timeout = 0")
            _ = try database.int("PRAGMA wal_checkpoint(TRUNCATE)")
            try database.execute("PRAGMA busy_timeout = 5000")
        }
        do { return try Files.extend(log, toBytes: MaintenanceState.logBytes, step: MaintenanceState.stepBytes) } catch
        {
            chores.problem = "no room for the journal's log: \(error)"
            return false
        }
    }

    // MARK: The reserve

    private func freePages() throws -> Int64 { try database.int("PRAGMA freelist_count") ?? 0 }

    /// Whether the tap in hand must give up a row of the reserve, because no idle moment came to do it.
    func reserveIsNeeded() throws -> Bool {
        guard chores.reserveRows > 0, chores.taps % MaintenanceState.tapsToLook == 0 else { return false }
        return try freePages() < MaintenanceState.leastFreePages
    }

    /// Makes the pages of one row free, within the transaction of the caller or as its own.
    func releaseReserve() throws {
        try database.execute("DELETE FROM reserve WHERE id = (SELECT max(id) FROM reserve)")
        chores.reserveRows -= Int64(database.changes)
    }

    /// One step towards enough free pages and a whole reserve; false when there is none to take.
    private func keepReserve() throws -> Bool {
        let free = try freePages()
        if free < MaintenanceState.fewFreePages, chores.reserveRows > 0 {
            try releaseReserve()
            return true
        }
        guard chores.reserveRows < MaintenanceState.reserveRows else {
            chores.problem = nil
            return false
        }
        // Whether from free pages or from the disk: what is free stays as it is, or is still enough.
        let takesFree = free >= MaintenanceState.fewFreePages + MaintenanceState.reserveRowPages
        if !takesFree {
            let pages = try database.int("PRAGMA page_count") ?? 0
            guard database.allocate(forBytes: (pages + 2 * MaintenanceState.reserveRowPages) * JournalFile.pageBytes)
            else {
                chores.problem =
                    "the disk is full: \(chores.reserveRows) of \(MaintenanceState.reserveRows) reserves are left"
                return false
            }
        }
        // A row of nearly 64 overflow pages of 4,092 bytes.
        let bytes = (MaintenanceState.reserveRowPages - 1) * (JournalFile.pageBytes - 4)
        try atOnce {
            // SQLite takes free pages first: they are held while the row takes new ones.
            let held = takesFree ? 0 : free
            if held > 0 {
                try database.prepare("INSERT INTO reserve VALUES (0, zeroblob(?))")
                    .run(.int(held * (JournalFile.pageBytes - 4)))
            }
            try database.prepare(
                "INSERT INTO reserve VALUES ((SELECT ifnull(max(id), 0) + 1 FROM reserve), zeroblob(?))"
            ).run(.int(bytes))
            if held > 0 { try database.execute("DELETE FROM reserve WHERE id = 0") }
        }
        chores.reserveRows += 1
        // Its pages are in the log; a few rows, and they are folded back.
        chores.tapsSinceCheckpoint += Int(MaintenanceState.reserveRowPages)
        return true
    }
}
