import DataFolder
import SQLite
package import ScanModel

/// What the lane reads back of its own journal.
extension Journal {
    /// Scans older than asked for, one after the other, after which no younger one is expected before them: as many as a lane
    /// under an accidentally wrong clock may have logged.
    static let lookBackScans = 20_000

    /// The newest read counter of a tag that was logged with one; nil without. Throws `DataFileError`.
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

    /// At once what `forEachScan` gives, from the first that is at or after `sinceMs` on.
    package func recent(sinceMs: Int64) throws -> [Scan] {
        var scans: [Scan] = []
        var older = 0
        try forEachScan { atMs, _ in
            older = atMs >= sinceMs ? 0 : older + 1
            return older >= Journal.lookBackScans ? nil : older == 0
        } note: {
            scans.append($0)
        }
        return scans
    }
}

extension Scan {
    /// From a row of id, at, tag, verdict, flags, gate, snapshot.
    init(_ row: Statement) {
        self.init(
            seq: row.int(0) & JournalFile.seqLimit, atMs: row.int(1), tag: TagID(rawValue: row.int(2)),
            verdict: Verdict(rawValue: UInt8(truncatingIfNeeded: row.int(3))),
            flags: Flags(rawValue: UInt8(truncatingIfNeeded: row.int(4))), gate: row.optionalInt(5),
            snapshot: row.int(6))
    }
}
