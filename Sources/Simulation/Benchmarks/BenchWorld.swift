import LinuxSystem
import Runtime
import ScanJournal
package import ScanModel
import SnapshotExport
import Snapshots

/// The made-up event that the edge is measured in: every attendee has a chip whose UID is a number, so that a measuring
/// process needs no list to tap them.
package struct BenchWorld: Sendable {
    /// Scans of each of the last days in a filled journal: a lane that lets somebody through every six seconds, all day.
    static let dayScans = 15_000
    /// Days with so many; all scans before them share the `olderDays` before these. None is old enough to be pruned.
    static let recentDays = 5
    static let olderDays = 20
    /// Scans a transaction.
    static let fillScans = 10_000
    static let daySeconds: Int64 = 86_400

    package let attendees: Int
    private let key: EventKey

    package init(attendees: Int, key: EventKey) { (self.attendees, self.key) = (attendees, key) }

    /// Seven bytes, as NTAG chips have.
    func uid(_ number: Int) -> [UInt8] { [0x04] + (0..<6).map { UInt8(truncatingIfNeeded: number >> (8 * (5 - $0))) } }

    func tag(_ number: Int) -> TagID { key.tagID(of: .uid(uid(number))) }

    /// Makes a snapshot: 50 passes of three zones, one gate, one scanner, the days around now.
    ///
    /// Throws `SnapshotError` where the file is there already, `SQLiteError`.
    package func writeSnapshot(path: String, version: Int64, scanner: ScannerID, policy: String) throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        let writer = try SnapshotWriter(path: path)
        let tags = (0..<attendees).map { (tag($0), Int64($0 + 1)) }.sorted { $0.0 < $1.0 }
        for (tag, person) in tags {
            try writer.add(tag, Attendee(status: .active, pass: person % 50 + 1, attendee: person))
        }
        for zone in Int64(1)...3 { try writer.add(Zone(id: zone, name: "Zone \(zone)", parent: zone == 1 ? nil : 1)) }
        var row: Int64 = 0
        for pass in Int64(1)...50 {
            try writer.addPass(id: pass, name: "Pass \(pass)", colour: "green")
            for zone in Int64(1)...3 {
                row += 1
                try writer.addAccess(id: row, pass: pass, Access(zone: zone, from: 0, until: nowS + 30 * 86_400))
            }
        }
        try writer.addGate(id: 1, name: "Main", zone: 1, policy: policy)
        try writer.addScanner(scanner.text, gate: 1)
        let first = nowS / BenchWorld.daySeconds - 25
        for day in first..<first + 30 {
            let starts = day * BenchWorld.daySeconds
            try writer.add(Day(day: "day \(day)", starts: starts, ends: starts + BenchWorld.daySeconds))
        }
        try writer.finish(
            event: "Bench", version: version, createdS: nowS - 86_400, expiresS: nowS + 30 * BenchWorld.daySeconds)
    }

    /// Fills a journal with scans that lie in the past, the last of them now.
    package func fillJournal(folder: String, scanner: ScannerID, scans: Int, snapshot: Int64, seed: UInt64) throws {
        let journal = try Journal(folder: folder, scanner: scanner)
        var random = SeededRandom(seed: seed)
        let endMs = SystemClock.nowMicroseconds() / 1_000
        let dayMs = BenchWorld.daySeconds * 1_000
        let recent = BenchWorld.recentDays * BenchWorld.dayScans
        let older = max(1, scans - recent)
        // Milliseconds before now of the scan that has so many after it.
        func age(_ after: Int) -> Int64 {
            after < recent
                ? Int64(after) * dayMs / Int64(BenchWorld.dayScans)
                : Int64(BenchWorld.recentDays) * dayMs
                    + Int64(after - recent) * Int64(BenchWorld.olderDays) * dayMs / Int64(older)
        }
        var left = scans
        while left > 0 {
            let count = min(left, BenchWorld.fillScans)
            let entries = (0..<count).map { offset in
                Journal.Entry(
                    atMs: endMs - age(left - offset),
                    tag: tag(Int.random(in: 0..<attendees, using: &random)), verdict: .admitted, flags: [], gate: 1,
                    snapshot: snapshot)
            }
            _ = try journal.appendBatch(entries)
            left -= count
        }
    }
}
