import DataFolder
import Runtime
import SQLite

/// Work that opening a journal leaves to maintenance, so that the lane opens quickly: the check of a long file, and the
/// rest of a salvage.
extension Journal {
    /// Returns whether the file is too long to be checked completely at opening.
    func exceedsOpeningCheck() throws(SQLiteError) -> Bool {
        let pages = try database.int("PRAGMA page_count") ?? 0
        return pages * JournalFile.pageBytes > DurableFile.checkedBytes
    }

    /// Performs one step of the check of a long file.
    ///
    /// Damage is recorded in the file, so that it is known after a restart too. The next append fails, and the file is
    /// moved away.
    ///
    /// - Returns: `false` if the check is complete or was not needed.
    func checkContents() -> Bool {
        guard let check = maintenance.contentCheck else { return false }
        let table = JournalFile.longTables[check.table]
        do {
            // SQLite reads the whole row to read its last column.
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
        Log("journal").error("journal is damaged", [.path: path, .reason: reason])
        do {
            try database.transaction {
                try database.execute("CREATE TABLE IF NOT EXISTS \(DurableFile.damagedTable)(reason TEXT NOT NULL)")
                try database.prepare("INSERT INTO \(DurableFile.damagedTable) VALUES (?)").run(.text(reason))
            }
        } catch { Log("journal").error("damage not recorded in the journal", [.path: path, .error: "\(error)"]) }
    }

    /// Performs one step of the salvage of a corrupt file.
    ///
    /// - Returns: `false` if nothing is left to salvage.
    func continueSalvage() throws -> Bool {
        guard try maintenance.salvage?.resume(into: database) == true else {
            maintenance.salvage = nil
            return false
        }
        return true
    }
}
