import DataFolder
import Runtime
import SQLite

/// What an opening leaves to idle moments, because the lane must open: the look through a long file, and the rest of what
/// one that was set aside knew.
extension Journal {
    /// Whether the file was too long to be looked through at its opening.
    func exceedsOpeningCheck() throws(SQLiteError) -> Bool {
        let pages = try database.int("PRAGMA page_count") ?? 0
        return pages * JournalFile.pageBytes > DurableFile.checkedBytes
    }

    /// One step of the look through a long file; false when it is done, and for a file that needs none.
    ///
    /// What reads as damaged is marked in the file, so that this is known also after a restart, and the next tap has it set
    /// aside.
    func checkContents() -> Bool {
        guard let check = maintenance.contentCheck else { return false }
        let table = JournalFile.longTables[check.table]
        do {
            // The last column of a row is not read without the rest of it.
            let last = try database.int(
                """
                SELECT max(key) FROM (
                    SELECT \(table.key) AS key, length(\(table.last)) AS last FROM \(table.name)
                    WHERE \(table.key) > ? ORDER BY \(table.key) LIMIT \(MaintenanceState.rowsToCheck))
                    WHERE last >= 0 OR last IS NULL
                """, .int(check.after))
            if let last {
                maintenance.contentCheck?.after = last
            } else if check.table + 1 < JournalFile.longTables.count {
                maintenance.contentCheck = MaintenanceState.ContentCheck(table: check.table + 1)
            } else {
                maintenance.contentCheck = nil
            }
        } catch {
            maintenance.contentCheck = nil
            if error.isDamaged || error.isDiskFailure { markDamaged("\(error)") }
        }
        return true
    }

    private func markDamaged(_ reason: String) {
        maintenance.damage = reason
        Log("journal").error("damage found in the journal", [.path: path, .reason: reason])
        do {
            try database.transaction {
                try database.execute("CREATE TABLE IF NOT EXISTS \(DurableFile.damagedTable)(reason TEXT NOT NULL)")
                try database.prepare("INSERT INTO \(DurableFile.damagedTable) VALUES (?)").run(.text(reason))
            }
        } catch { Log("journal").error("the damage cannot be marked in it", [.path: path, .error: "\(error)"]) }
    }

    /// One step of taking over what a file that was set aside knew; false when there is nothing left of it.
    func continueSalvage() throws -> Bool {
        guard try maintenance.salvage?.resume(into: database) == true else {
            maintenance.salvage = nil
            return false
        }
        return true
    }
}
