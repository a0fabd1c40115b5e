import DataFolder
import LinuxSystem
import SQLite
package import ScanModel

extension Journal {
    /// Calls `note` for this scanner's newest scans, in the order of their seqs.
    ///
    /// The first calls are for the salvaged admissions and annulments of corrupt files, which have no seq. The first
    /// scan is found by a walk back from the newest one.
    ///
    /// - Parameters:
    ///   - wanted: Called during the walk with the time of each scan and whether its clock was trusted. Returns `true`
    ///     if the scan is included, `false` if not, and `nil` to end the walk.
    ///   - note: Called for the oldest included scan and all later ones, with the monotonic time of the scan in
    ///     milliseconds. That is `nil` for a scan with a trusted clock, or of another boot.
    /// - Throws: `DataFileError`, and the errors of `note`.
    package func forEachScan(
        wanted isWanted: (_ atMs: Int64, _ isTrusted: Bool) -> Bool?,
        note body: (Scan, _ monotonicMs: Int64?) throws -> Void
    ) throws {
        do {
            let (scan, remembered) = try firstWanted(isWanted)
            if let remembered {
                try database.prepare(
                    "SELECT 0, at, tag, verdict, flags, gate, 0 FROM remembered WHERE id >= ? ORDER BY id"
                ).rows(.int(remembered)) { try body(Scan($0), nil) }
            }
            guard let scan else { return }
            try database.prepare(
                """
                SELECT s.id, at, tag, verdict, flags, gate, snapshot,
                    CASE WHEN flags & \(Flags.clockNotTrusted.rawValue) <> 0
                        THEN (SELECT ms FROM clocks c WHERE c.id = s.id AND c.boot = ?3) END
                FROM scans s JOIN journals j ON j.id = s.id >> 32 WHERE s.id >= ?1 AND j.scanner = ?2 ORDER BY s.id
                """
            ).rows(.int(scan), .text(scanner.text), .blob(bootID?.bytes ?? [])) {
                try body(Scan($0), $0.optionalInt(7))
            }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Returns the keys of the oldest included scan and of the oldest included salvaged scan, or `nil` for none.
    private func firstWanted(_ isWanted: (Int64, Bool) -> Bool?) throws -> (scan: Int64?, remembered: Int64?) {
        var own: Set<Int64> = []
        try database.prepare("SELECT id FROM journals WHERE scanner = ?").rows(.text(scanner.text)) {
            own.insert($0.int(0))
        }
        let scans = try walk("SELECT id, at, flags FROM scans ORDER BY id DESC", isWanted) { own.contains($0 >> 32) }
        if scans.hasEnded { return (scans.first, nil) }
        let remembered = try walk("SELECT id, at, flags FROM remembered ORDER BY id DESC", isWanted) { _ in true }
        // An included salvaged scan is older than all scans, so all scans are included too.
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
            guard let wanted = isWanted(JournalFile.boundedMs(rows.int(1)), !flags.contains(.clockNotTrusted)) else {
                return (first, true)
            }
            if wanted { first = rows.int(0) }
        }
        return (first, false)
    }
}
