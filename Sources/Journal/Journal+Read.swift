import SQLite
public import Scans

/// What the lane reads back of its own journal.
extension Journal {
    /// Scans older than asked for, one after the other, after which no younger one is expected before them: as many as a lane
    /// under an accidentally wrong clock may have logged.
    static let lookBackScans = 20_000

    /// The newest read counter of a tag that was logged with one; nil without. Throws `JournalError`.
    public func counter(of tag: TagID) throws -> Int64? {
        do {
            if chores.selectCounter == nil {
                chores.selectCounter = try database.prepare("SELECT counter FROM counters WHERE tag = ?")
            }
            guard let select = chores.selectCounter else { return nil }
            try select.bind(1, tag.rawValue)
            defer { select.reset() }
            return try select.step() ? select.int(0) : nil
        } catch { throw JournalError(path, error) }
    }

    /// Gives this scanner's scans to `body` in the order they were logged, beginning with the first at or after `sinceMs`;
    /// before them those that are remembered from files that were set aside, admissions and annulments alone, without seq.
    ///
    /// Device clocks step: between those asked for there may be older ones, which are given too. Throws `JournalError`, and
    /// what `body` throws.
    public func forEachScan(sinceMs: Int64, _ body: (Scan) throws -> Void) throws {
        do {
            try database.prepare(
                "SELECT 0, at, tag, verdict, flags, gate, 0 FROM remembered WHERE at >= ? ORDER BY id"
            ).rows(.int(sinceMs)) { try body(Scan($0)) }
            guard let first = try firstScan(sinceMs: sinceMs) else { return }
            try database.prepare(
                """
                SELECT s.id, at, tag, verdict, flags, gate, snapshot FROM scans s
                JOIN journals j ON j.id = s.id >> 32 WHERE s.id >= ? AND j.scanner = ? ORDER BY s.id
                """
            ).rows(.int(first), .text(scanner.text)) { try body(Scan($0)) }
        } catch let error as SQLiteError { throw JournalError(path, error) }
    }

    /// The scans that `forEachScan` gives, at once.
    public func recent(sinceMs: Int64) throws -> [Scan] {
        var scans: [Scan] = []
        try forEachScan(sinceMs: sinceMs) { scans.append($0) }
        return scans
    }

    /// Walks back over the file, whatever its length, only as far as needed.
    private func firstScan(sinceMs: Int64) throws -> Int64? {
        let rows = try database.prepare("SELECT id, at FROM scans ORDER BY id DESC")
        defer { rows.reset() }
        var first: Int64?
        var older = 0
        while try rows.step() {
            if rows.int(1) >= sinceMs {
                (first, older) = (rows.int(0), 0)
            } else {
                older += 1
                if older >= Journal.lookBackScans { break }
            }
        }
        return first
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
