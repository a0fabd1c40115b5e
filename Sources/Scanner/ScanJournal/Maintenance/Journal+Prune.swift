import DataFolder
import LinuxSystem
import Runtime
import SQLite
import ScanModel

/// Deletes old journals that the broker has confirmed, as a whole, the oldest first.
///
/// One transaction hides a journal from the readers, and its scans are deleted afterwards in small steps. So no reader
/// sees a part of a journal.
extension Journal {
    private static let dayMs: Int64 = 86_400_000

    /// Performs one step.
    ///
    /// - Returns: `false` if nothing can be pruned.
    func prune() throws -> Bool {
        if let id = try database.int("SELECT id FROM pruning LIMIT 1") {
            try pruneScans(of: id)
            return true
        }
        guard let id = try prunable() else { return false }
        try inTransaction {
            try database.prepare("INSERT INTO pruning VALUES (?)").run(.int(id))
            try database.prepare("DELETE FROM journals WHERE id = ?").run(.int(id))
        }
        Log("journal").info("confirmed journal pruned", [.path: path, .count: id])
        return true
    }

    private func pruneScans(of id: Int64) throws {
        let (first, last) = (JournalFile.scanID(id, 0), JournalFile.scanID(id, JournalFile.seqLimit))
        try inTransaction {
            let end =
                try database.int(
                    "SELECT id FROM scans WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1 OFFSET ?", .int(first),
                    .int(last), .int(MaintenanceState.scansToPrune)) ?? last
            try database.prepare("DELETE FROM scans WHERE id BETWEEN ? AND ?").run(.int(first), .int(end))
            for table in ["reasons", "clocks"] {
                try database.prepare("DELETE FROM \(table) WHERE id BETWEEN ? AND ?").run(.int(first), .int(end))
            }
            if end == last { try database.prepare("DELETE FROM pruning WHERE id = ?").run(.int(id)) }
        }
        maintenance.tapsSinceCheckpoint += 64
    }

    /// Returns the number of this scanner's oldest journal if it may be deleted.
    ///
    /// Later journals stay until then, so that a publisher always finds the journal before an unconfirmed one.
    private func prunable() throws -> Int64? {
        var oldest: (id: Int64, journalID: JournalID, createdMs: Int64)?
        try database.prepare(
            "SELECT id, log, created FROM journals WHERE scanner = ? AND id < ? ORDER BY id LIMIT 1"
        ).rows(.text(scanner.text), .int(current.rowid)) { row in
            if let journalID = JournalID(row.blob(1)) { oldest = (row.int(0), journalID, row.int(2)) }
        }
        guard let oldest else { return nil }
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        var last: (seq: Int64, atMs: Int64) = (0, oldest.createdMs)
        // The creation time alone proves no age.
        var isTrusted = false
        try database.prepare("SELECT id, at, flags FROM scans WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1").rows(
            .int(JournalFile.scanID(oldest.id, 0)), .int(JournalFile.scanID(oldest.id, JournalFile.seqLimit))
        ) { row in
            last = (row.int(0) & JournalFile.seqLimit, max(oldest.createdMs, row.int(1)))
            isTrusted = row.int(2) & Int64(Flags.clockNotTrusted.rawValue) == 0
        }
        if !isTrusted {
            guard let atMs = try trustedMs(after: oldest.id) else {
                let isOld = try elapsedMs(after: oldest.id) >= Int64(max(2, keepDays)) * Journal.dayMs
                return isOld && isConfirmed(oldest.journalID, upTo: last.seq) ? oldest.id : nil
            }
            last.atMs = max(last.atMs, atMs)
        }
        if last.atMs > nowMs { last.atMs = try createdMs(after: oldest.id, nowMs) ?? last.atMs }
        guard last.atMs < (try cutoffMs(nowMs)) else { return nil }
        return isConfirmed(oldest.journalID, upTo: last.seq) ? oldest.id : nil
    }

    /// Returns whether the broker has confirmed all scans of a journal.
    ///
    /// Without readable cursors none is. A cursor file that is being written is read in a later step, because a tap
    /// may come.
    private func isConfirmed(_ journalID: JournalID, upTo seq: Int64) -> Bool {
        guard let cursors = try? UploadCursors.read(folder: folder, busyTimeoutMs: 0) else { return false }
        return cursors[journalID, default: 0] >= seq
    }

    /// The journals after that of the first argument, with the keys of their first and last rows in a table.
    private static func laterJournals(_ table: String) -> String {
        func end(_ order: String) -> String {
            "SELECT id FROM \(table) WHERE id BETWEEN j.id << 32 AND j.id << 32 | \(JournalFile.seqLimit) "
                + "ORDER BY id \(order) LIMIT 1"
        }
        return "SELECT j.id AS journal, (\(end("ASC"))) AS head, (\(end("DESC"))) AS tail "
            + "FROM journals j WHERE j.id > ?1"
    }

    /// Returns the time of the first later journal that ends with a scan under a trusted clock; `nil` without one.
    ///
    /// All scans before it are older. A clock that started in the past gives them no age. Only the last scan of each
    /// journal is read, because without a time source none of millions is trusted.
    private func trustedMs(after id: Int64) throws -> Int64? {
        try database.int(
            """
            SELECT s.at FROM (\(Self.laterJournals("scans"))) j CROSS JOIN scans s ON s.id = j.tail
            WHERE s.flags & \(Flags.clockNotTrusted.rawValue) = 0 ORDER BY j.journal LIMIT 1
            """, .int(id))
    }

    /// Returns the time that has certainly passed since a journal, by the monotonic times in later ones.
    ///
    /// The time between two boots is not known, so the result is too small. On a device without a time source it is
    /// the only proof of an age.
    private func elapsedMs(after id: Int64) throws -> Int64 {
        try database.int(
            """
            WITH j AS (\(Self.laterJournals("clocks")))
            SELECT sum(ms) FROM (
                SELECT max(ms) - min(ms) AS ms FROM clocks
                WHERE id IN (SELECT head FROM j UNION ALL SELECT tail FROM j) GROUP BY boot)
            """, .int(id)) ?? 0
    }

    /// Returns the creation time of the next journal that was made under a clock that was not ahead.
    ///
    /// All scans before that journal are older, whatever their own times. Otherwise one scan under a wrong clock would
    /// keep its journal and all later ones forever.
    private func createdMs(after id: Int64, _ nowMs: Int64) throws -> Int64? {
        try database.int(
            "SELECT created FROM journals WHERE id > ? AND created <= ? ORDER BY id LIMIT 1", .int(id), .int(nowMs))
    }

    /// Returns the time before which scans may be deleted.
    ///
    /// The earlier one of the current time and the time of the newest scan counts. So a clock that is ahead does not
    /// make scans prunable.
    private func cutoffMs(_ nowMs: Int64) throws -> Int64 {
        let newestMs = try database.int("SELECT at FROM scans ORDER BY id DESC LIMIT 1") ?? nowMs
        return min(min(nowMs, newestMs) - Int64(max(0, keepDays)) * Journal.dayMs, keepFromMs)
    }
}
