import SQLite
import ScanModel

@testable import ScanJournal

let scanner = ScannerID("gate-7")!

extension Journal {
    /// Appends an admission whose tag is `number`.
    @discardableResult
    func tap(_ number: Int64, atMs: Int64 = 1_795_468_021_123, gate: Int64? = 7) throws -> Scan {
        try append(
            atMs: atMs + number, tag: TagID(rawValue: number), verdict: .admitted, flags: .out, gate: gate,
            snapshot: 1_795_400_000)
    }

    /// Returns the scans of `forEachScan` from the first one at or after `sinceMs` on.
    func recent(sinceMs: Int64) throws -> [Scan] {
        var scans: [Scan] = []
        try forEachScan { atMs, _ in
            atMs >= sinceMs
        } note: { scan, _ in
            scans.append(scan)
        }
        return scans
    }

    /// Limits the file to `pages` pages, as a full disk does.
    func limitPages(_ pages: Int) throws { _ = try database.int("PRAGMA max_page_count = \(pages)") }
}

extension Journal.Health {
    var isReserveWhole: Bool { reserve >= reserveFull }
}
