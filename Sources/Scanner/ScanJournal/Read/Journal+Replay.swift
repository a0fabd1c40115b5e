import DataFolder
import SQLite
package import ScanModel

extension Journal {
    /// Gives this scanner's scans to `note` in the order they were logged, beginning where a walk back from the newest ends;
    /// before them those that are remembered from files that were set aside, admissions and annulments alone, without seq.
    ///
    /// Throws `DataFileError`, and what `note` throws.
    /// - Parameter wanted: shown the time of each scan, and whether its clock was trusted, the newest first. True: begin at
    ///   it, or before; nil: look no further.
    package func forEachScan(
        wanted isWanted: (_ atMs: Int64, _ isTrusted: Bool) -> Bool?, note body: (Scan) throws -> Void
    ) throws {
        do {
            let (scan, remembered) = try firstOf(isWanted)
            if let remembered {
                try database.prepare(
                    "SELECT 0, at, tag, verdict, flags, gate, 0 FROM remembered WHERE id >= ? ORDER BY id"
                ).rows(.int(remembered)) { try body(Scan($0)) }
            }
            guard let scan else { return }
            try database.prepare(
                """
                SELECT s.id, at, tag, verdict, flags, gate, snapshot FROM scans s
                JOIN journals j ON j.id = s.id >> 32 WHERE s.id >= ? AND j.scanner = ? ORDER BY s.id
                """
            ).rows(.int(scan), .text(scanner.text)) { try body(Scan($0)) }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Where the walk ends among the scans, and, where it goes on beyond them, among what is remembered; nil: wants none.
    private func firstOf(_ isWanted: (Int64, Bool) -> Bool?) throws -> (scan: Int64?, remembered: Int64?) {
        var own: Set<Int64> = []
        try database.prepare("SELECT id FROM journals WHERE scanner = ?").rows(.text(scanner.text)) {
            own.insert($0.int(0))
        }
        let scans = try walk("SELECT id, at, flags FROM scans ORDER BY id DESC", isWanted) { own.contains($0 >> 32) }
        if scans.hasEnded { return (scans.first, nil) }
        let remembered = try walk("SELECT id, at, flags FROM remembered ORDER BY id DESC", isWanted) { _ in true }
        // A wanted one among the older ones wants all after it.
        return (remembered.first == nil ? scans.first : .min, remembered.first)
    }

    private func walk(_ sql: String, _ isWanted: (Int64, Bool) -> Bool?, counts: (Int64) -> Bool) throws
        -> (first: Int64?, hasEnded: Bool)
    {
        let rows = try database.prepare(sql)
        defer { rows.reset() }
        var first: Int64?
        while try rows.step() {
            guard counts(rows.int(0)) else { continue }
            let flags = Flags(rawValue: UInt8(truncatingIfNeeded: rows.int(2)))
            guard let wanted = isWanted(rows.int(1), !flags.contains(.clockNotTrusted)) else { return (first, true) }
            if wanted { first = rows.int(0) }
        }
        return (first, false)
    }
}
