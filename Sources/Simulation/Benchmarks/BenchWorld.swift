import LinuxSystem
import Runtime
import ScanJournal
package import ScanModel
import SnapshotWriting
import Snapshots

/// The synthetic event of the lane benchmarks.
///
/// The UID of each attendee's chip is a number, so a process can tap attendees without reading a registration list.
package struct BenchWorld: Sendable {
    /// Scans of each recent day in a filled journal: one every six seconds, all day.
    static let dayScans = 15_000
    /// Days with `dayScans` scans.
    static let recentDays = 5
    /// Days before them, which share all other scans. None is old enough to be pruned.
    static let olderDays = 20
    /// Scans per transaction.
    static let fillScans = 10_000
    static let daySeconds: Int64 = 86_400

    /// Number of attendees. Their numbers start at 0.
    package let attendees: Int
    private let key: EventKey

    /// - Parameters:
    ///   - attendees: number of attendees.
    ///   - key: derives tag IDs from UIDs.
    package init(attendees: Int, key: EventKey) {
        self.attendees = attendees
        self.key = key
    }

    /// The UID of an attendee's chip: seven bytes, as NTAG chips have.
    func uid(_ number: Int) -> [UInt8] { [0x04] + (0..<6).map { UInt8(truncatingIfNeeded: number >> (8 * (5 - $0))) } }

    func tag(_ number: Int) -> TagID { key.tagID(of: .uid(uid(number))) }

    /// Writes a snapshot with 50 passes, three zones, one gate, one scanner, and the days around now.
    ///
    /// - Parameters:
    ///   - path: a file that does not exist yet.
    ///   - policy: the policy of the gate, as JSON.
    /// - Throws: `SnapshotError` if the file exists, and `SQLiteError`.
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
        var manifest = Manifest(
            event: "Bench", version: version, created: nowS - 86_400, expires: nowS + 30 * BenchWorld.daySeconds,
            size: 0, sha256: "", content: "", attendees: Int64(tags.count))
        manifest.key = key.fingerprint
        try writer.finish(manifest)
    }

    /// Fills a journal with admitted scans of past days, the last one now.
    ///
    /// - Throws: `DataFileError`.
    package func fillJournal(folder: String, scanner: ScannerID, scans: Int, snapshot: Int64, seed: UInt64) throws {
        let journal = try Journal(folder: folder, scanner: scanner)
        var random = SeededRandom(seed: seed)
        let endMs = SystemClock.nowMicroseconds() / 1_000
        let dayMs = BenchWorld.daySeconds * 1_000
        let recent = BenchWorld.recentDays * BenchWorld.dayScans
        let older = max(1, scans - recent)
        // The age in milliseconds of the scan that is followed by `after` others.
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
