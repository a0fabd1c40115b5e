import SQLite
public import Scans

extension Journal {
    /// Gives this scanner's scans to `note` in the order they were logged, beginning where a walk back from the newest ends.
    ///
    /// Throws `JournalError`, and what `note` throws.
    /// - Parameter wanted: shown the time of each scan, and whether its clock was trusted, the newest first. True: begin at
    ///   it, or before; nil: look no further.
    public func forEachScan(
        wanted isWanted: (_ atMs: Int64, _ isTrusted: Bool) -> Bool?, note body: (Scan) throws -> Void
    ) throws {
        do {
            guard let first = try firstScan(isWanted) else { return }
            try database.prepare(
                """
                SELECT s.id, at, tag, verdict, flags, gate, snapshot FROM scans s
                JOIN journals j ON j.id = s.id >> 32 WHERE s.id >= ? AND j.scanner = ? ORDER BY s.id
                """
            ).rows(.int(first), .text(scanner.text)) { try body(Scan($0)) }
        } catch let error as SQLiteError { throw JournalError(path, error) }
    }

    private func firstScan(_ isWanted: (Int64, Bool) -> Bool?) throws -> Int64? {
        var own: Set<Int64> = []
        try database.prepare("SELECT id FROM journals WHERE scanner = ?").rows(.text(scanner.text)) {
            own.insert($0.int(0))
        }
        let rows = try database.prepare("SELECT id, at, flags FROM scans ORDER BY id DESC")
        defer { rows.reset() }
        var first: Int64?
        while try rows.step() {
            guard own.contains(rows.int(0) >> 32) else { continue }
            let flags = Flags(rawValue: UInt8(truncatingIfNeeded: rows.int(2)))
            guard let wanted = isWanted(rows.int(1), !flags.contains(.clockNotTrusted)) else { break }
            if wanted { first = rows.int(0) }
        }
        return first
    }
}
