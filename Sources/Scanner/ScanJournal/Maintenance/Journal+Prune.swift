import DataFolder
import LinuxSystem
import Runtime
import SQLite
import ScanModel

/// Old scans go once the broker has them: whole journals, the oldest first.
///
/// A journal vanishes from the readers' view in one commit; its scans follow in small pieces. So no reader ever sees one
/// without its head, and scans and cursor of what is left always fit.
extension Journal {
    private static let dayMs: Int64 = 86_400_000

    /// One step; false when nothing is to be pruned.
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
        Log("journal").info("a shipped journal is pruned", [.path: path, .count: id])
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
            try database.prepare("DELETE FROM reasons WHERE id BETWEEN ? AND ?").run(.int(first), .int(end))
            if end == last { try database.prepare("DELETE FROM pruning WHERE id = ?").run(.int(id)) }
        }
        maintenance.tapsSinceCheckpoint += 64
    }

    /// The oldest of this scanner's journals, if it may go; later ones wait for it, so that a publisher always finds the
    /// journal before one that it has not shipped.
    private func prunable() throws -> Int64? {
        var oldest: (id: Int64, log: JournalID, createdMs: Int64)?
        try database.prepare(
            "SELECT id, log, created FROM journals WHERE scanner = ? AND id < ? ORDER BY id LIMIT 1"
        ).rows(.text(scanner.text), .int(current.rowid)) { row in
            if let log = JournalID(row.blob(1)) { oldest = (row.int(0), log, row.int(2)) }
        }
        guard let oldest else { return nil }
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        var last: (seq: Int64, atMs: Int64) = (0, oldest.createdMs)
        try database.prepare("SELECT id, at FROM scans WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1").rows(
            .int(JournalFile.scanID(oldest.id, 0)), .int(JournalFile.scanID(oldest.id, JournalFile.seqLimit))
        ) { row in last = (row.int(0) & JournalFile.seqLimit, max(oldest.createdMs, row.int(1))) }
        if last.atMs > nowMs { last.atMs = try createdMs(after: oldest.id, nowMs) ?? last.atMs }
        guard last.atMs < (try cutoffMs(nowMs)) else { return nil }
        let shipped: [JournalID: Int64]
        // A cursor that cannot be read keeps everything; one that is being written is for another time: a tap may come.
        do { shipped = try UploadCursors.read(folder: folder, busyTimeoutMs: 0) } catch { return nil }
        return shipped[oldest.log, default: 0] >= last.seq ? oldest.id : nil
    }

    /// When the next journal was made whose clock was not ahead: no scan before it is younger, whatever it says itself. Without
    /// this one scan under a wrong clock would keep its journal, and all that wait behind it, for ever.
    private func createdMs(after id: Int64, _ nowMs: Int64) throws -> Int64? {
        try database.int(
            "SELECT created FROM journals WHERE id > ? AND created <= ? ORDER BY id LIMIT 1", .int(id), .int(nowMs))
    }

    /// A clock that has jumped ahead makes nothing old: the newest scan is "now", if it is earlier.
    private func cutoffMs(_ nowMs: Int64) throws -> Int64 {
        let newestMs = try database.int("SELECT at FROM scans ORDER BY id DESC LIMIT 1") ?? nowMs
        return min(min(nowMs, newestMs) - Int64(max(0, keepDays)) * Journal.dayMs, keepFromMs)
    }
}
