import DataFolder
import SQLite
package import ScanModel

/// Reads of the lane from its own journal.
extension Journal {
    /// Returns the newest read counter journaled for a tag, or `nil` without one.
    ///
    /// - Throws: `DataFileError`.
    package func counter(of tag: TagID) throws -> Int64? {
        do {
            if maintenance.selectCounter == nil {
                maintenance.selectCounter = try database.prepare("SELECT counter FROM counters WHERE tag = ?")
            }
            guard let select = maintenance.selectCounter else { return nil }
            try select.bind(1, tag.rawValue)
            defer { select.reset() }
            return try select.step() ? select.int(0) : nil
        } catch { throw DataFileError(path, error) }
    }
}

extension Scan {
    /// Reads a row of id, at, tag, verdict, flags, gate, snapshot.
    init(_ row: Statement) {
        self.init(
            seq: row.int(0) & JournalFile.seqLimit, atMs: JournalFile.boundedMs(row.int(1)),
            tag: TagID(rawValue: row.int(2)),
            verdict: Verdict(rawValue: UInt8(truncatingIfNeeded: row.int(3))),
            flags: Flags(rawValue: UInt8(truncatingIfNeeded: row.int(4))), gate: row.optionalInt(5),
            snapshot: row.int(6))
    }
}
