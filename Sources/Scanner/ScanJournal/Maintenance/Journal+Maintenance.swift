import DataFolder
import FileSystem
import SQLite

/// Journal maintenance between taps: checkpoint the WAL, keep the emergency reserve, prune.
///
/// **Full disk.** A tap writes to the WAL, which is preallocated. A checkpoint copies it into free pages inside the
/// file. The file grows only here, and only after its new space is allocated on the disk. When the disk is full, the
/// rows of the reserve are released one by one. Copy-on-write file systems such as btrfs cannot give this guarantee.
extension Journal {
    /// Performs one bounded step of maintenance.
    ///
    /// A full disk is not an error here: see `health`.
    ///
    /// - Returns: `true` if more work is pending. Call again when no tap waits.
    /// - Throws: `DataFileError`.
    package func performMaintenance() throws -> Bool {
        do {
            if maintenance.tapsSinceCheckpoint >= MaintenanceState.tapsToCheckpoint {
                try checkpoint()
                return true
            }
            if try continueSalvage() { return true }
            let nowMs = monotonicMs()
            if nowMs >= maintenance.nextReserveCheckMs {
                if try maintainWAL() { return true }
                if try maintainReserve() { return true }
                maintenance.nextReserveCheckMs = nowMs + MaintenanceState.reserveEveryMs
            }
            if nowMs >= maintenance.nextPruneCheckMs {
                if try prune() { return true }
                maintenance.nextPruneCheckMs = nowMs + MaintenanceState.pruneEveryMs
            }
            return checkContents()
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// The state of the journal, for the status of the lane.
    package struct Health: Hashable, Sendable {
        /// Number of rows in the reserve. `reserveFull` is that of a complete reserve.
        package var reserve: Int
        /// Number of rows in a complete reserve.
        package var reserveFull: Int
        /// Reason why the reserve or the WAL is incomplete; `nil` if there is no problem or no check yet.
        package var problem: JournalProblem?
        /// Names of the corrupt journals in the folder.
        package var damaged: [String]
    }

    /// The state of reserve and WAL by the last check, and the corrupt journals that are in the folder now.
    package var health: Health {
        Health(
            reserve: Int(maintenance.reserveRows), reserveFull: Int(MaintenanceState.reserveRows),
            problem: maintenance.problem,
            damaged: DataFolderPaths.damagedJournals(folder))
    }

    // MARK: WAL

    /// Copies the WAL into the file and restarts it. Does not wait for readers.
    private func checkpoint() throws {
        maintenance.tapsSinceCheckpoint = 0
        _ = try database.int("PRAGMA wal_checkpoint(PASSIVE)")
        // The first write after a checkpoint restarts the WAL, with an extra fdatasync for its header. This write does
        // it, so that no tap has to.
        try database.execute("PRAGMA user_version = \(JournalFile.durable.format)")
    }

    /// Extends the WAL file towards its size by one step.
    ///
    /// - Returns: `false` if it has its size or cannot be extended.
    private func maintainWAL() throws -> Bool {
        let wal = path + "-wal"
        if (Files.status(wal)?.size ?? 0) > 2 * MaintenanceState.walBytes {
            // It has grown during a long read. If a reader still uses it, the next step tries again.
            try database.execute("PRAGMA busy_timeout = 0")
            _ = try database.int("PRAGMA wal_checkpoint(TRUNCATE)")
            try database.execute("PRAGMA busy_timeout = 5000")
        }
        do { return try Files.extend(wal, toBytes: MaintenanceState.walBytes, step: MaintenanceState.stepBytes) } catch
        {
            maintenance.problem = .walNotPreallocated(StorageFault(error))
            return false
        }
    }

    // MARK: Reserve

    private func freePages() throws -> Int64 { try database.int("PRAGMA freelist_count") ?? 0 }

    /// Returns whether the current append must release a row of the reserve, because maintenance had no time.
    func needsReserve() throws -> Bool {
        guard maintenance.reserveRows > 0, maintenance.taps % MaintenanceState.tapsPerReserveCheck == 0 else {
            return false
        }
        return try freePages() < MaintenanceState.leastFreePages
    }

    /// Deletes one row of the reserve, in the transaction of the caller or in a separate one.
    func releaseReserve() throws {
        try database.execute("DELETE FROM reserve WHERE id = (SELECT max(id) FROM reserve)")
        maintenance.reserveRows -= Int64(database.changes)
    }

    /// Performs one step towards enough free pages and a complete reserve.
    ///
    /// - Returns: `false` if no step is needed or possible.
    private func maintainReserve() throws -> Bool {
        let free = try freePages()
        if free < MaintenanceState.fewFreePages, maintenance.reserveRows > 0 {
            try releaseReserve()
            return true
        }
        guard maintenance.reserveRows < MaintenanceState.reserveRows else {
            maintenance.problem = nil
            return false
        }
        // The new row takes free pages of the file if enough remain, else new space on the disk.
        let takesFree = free >= MaintenanceState.fewFreePages + MaintenanceState.reserveRowPages
        if !takesFree {
            let pages = try database.int("PRAGMA page_count") ?? 0
            guard database.allocate(forBytes: (pages + 2 * MaintenanceState.reserveRowPages) * JournalFile.pageBytes)
            else {
                maintenance.problem = .reserveInUse(
                    remaining: Int(maintenance.reserveRows), total: Int(MaintenanceState.reserveRows))
                return false
            }
        }
        // A row of nearly 64 overflow pages of 4,092 bytes.
        let bytes = (MaintenanceState.reserveRowPages - 1) * (JournalFile.pageBytes - 4)
        try inTransaction {
            // SQLite uses free pages first. Row 0 occupies them while the new row is written.
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
        maintenance.reserveRows += 1
        // The pages of the row are in the WAL, so a checkpoint is due after a few rows.
        maintenance.tapsSinceCheckpoint += Int(MaintenanceState.reserveRowPages)
        return true
    }
}
