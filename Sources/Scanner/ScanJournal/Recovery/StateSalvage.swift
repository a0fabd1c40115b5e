import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import SQLite
import ScanModel

/// Salvages state from a corrupt journal into the new one: read counters and admissions.
///
/// The counters prevent the replay of recorded chip messages. The admissions keep anti-passback across the restart.
/// Salvage is best effort: it reads the pages as they are, whatever the damage, for a limited time. The scans stay in
/// the corrupt file for `Recovery`. Salvaged admissions have no journal and no seq, and are never uploaded.
struct StateSalvage {
    /// Maximum number of salvaged admissions and annulments, the newest: several days of a busy lane.
    static let rememberedLimit = 100_000

    /// The runs that are still to be read. The last one is read next.
    private var runs: [PageRun]
    private var counters: [Int64: Int64] = [:]
    /// Scans that the corrupt file itself had salvaged, by key. They are older than its own scans.
    private var remembered: [Int64: Scan] = [:]
    private var scans: [Int64: Scan] = [:]
    private var scanners: [Int64: ScannerID] = [:]
    /// Scans with smaller keys are not among the newest.
    private var firstID = Int64.min
    private var collectsScans = true
    /// Frames of the WAL that were read: only the last version of each page is needed.
    private var seen: Set<Frame> = []

    /// A page in the WAL: its number, and the salt of the WAL generation in which it was written.
    private struct Frame: Hashable {
        let page: UInt64
        let salt: UInt64
    }

    /// Reads a corrupt file for a limited time and writes the state found.
    ///
    /// - Parameters:
    ///   - file: The renamed corrupt file. Its WAL is `file-wal`.
    ///   - database: The new journal. Its salvaged admissions are replaced.
    ///   - scanner: Only the admissions of this scanner are salvaged.
    ///   - limitMs: Time limit in milliseconds.
    /// - Returns: The rest of the salvage, to be continued with `resume(into:)`, or `nil` if the file was read
    ///   completely.
    /// - Throws: `SQLiteError` when the new journal cannot be written.
    static func start(
        from file: String, into database: Database, scanner: ScannerID,
        limitMs: Int64 = MaintenanceState.salvageLimitMs
    ) throws -> StateSalvage? {
        guard mayBeJournal(file) else { return nil }
        var salvage = StateSalvage(file)
        let untilMs = SystemClock.monotonicMs() + limitMs
        repeat {} while salvage.readRun() && SystemClock.monotonicMs() < untilMs
        let scans = salvage.newestScans(of: scanner)
        let count = salvage.counters.count
        try database.transaction {
            let insert = try database.prepare("INSERT INTO remembered VALUES (?, ?, ?, ?, ?, ?)")
            try database.execute("DELETE FROM remembered")
            for (index, scan) in scans.enumerated() {
                try insert.run(
                    .int(Int64(index + 1)), .int(scan.atMs), .int(scan.tag.rawValue),
                    .int(Int64(scan.verdict.rawValue)), .int(Int64(scan.flags.rawValue)), Value(scan.gate))
            }
            try salvage.writeCounters(to: database)
        }
        Log("journal").info("state salvaged from the corrupt file", [.file: file, .count: scans.count + count])
        salvage.remembered = [:]
        salvage.scans = [:]
        salvage.collectsScans = false
        salvage.seen = []
        return salvage.runs.isEmpty ? nil : salvage
    }

    /// Performs one more step, for the counters only.
    ///
    /// - Returns: `false` if nothing is left to read.
    /// - Throws: `SQLiteError` when the new journal cannot be written.
    mutating func resume(into database: Database) throws -> Bool {
        guard readRun() else { return false }
        try database.transaction { try writeCounters(to: database) }
        return true
    }

    /// The WAL is read first, then the file, each from its end, where the newest pages usually are.
    private init(_ file: String) { runs = PageRun.all(of: file, wal: file + "-wal") }

    /// Returns whether a file may be a journal. A file that names another application contains no state of a lane.
    private static func mayBeJournal(_ file: String) -> Bool {
        guard let head = try? Files.salvage(file, at: 0, count: 100), head.count == 100 else { return true }
        guard head.starts(with: Array("SQLite format 3".utf8)) else { return true }
        let application = number(head[68..<72])
        return application == 0 || application == UInt64(JournalFile.durable.applicationID)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private mutating func readRun() -> Bool {
        guard let run = runs.popLast() else { return false }
        for page in ((try? run.pages()) ?? []).reversed() where RecordCarver.isLeaf(page.bytes) {
            if !page.frameHeader.isEmpty {
                let frame = Frame(
                    page: StateSalvage.number(page.frameHeader.prefix(4)),
                    salt: StateSalvage.number(page.frameHeader.dropFirst(8).prefix(8)))
                guard seen.insert(frame).inserted else { continue }
            }
            RecordCarver.referencedRecords(page.bytes) { collect($0) }
        }
        return true
    }

    private mutating func collect(_ record: RecordCarver.Record) {
        switch record {
        // Counters only increase, so the largest version on the pages is the newest.
        case .counter(let tag, let counter): counters[tag] = max(counter, counters[tag] ?? counter)
        case .remembered(let id, let scan): if collectsScans { remembered[id] = scan }
        case .scan(let id, let scan):
            guard collectsScans, id >= firstID, scan.verdict == .admitted || scan.verdict == .annulled else { return }
            scans[id] = scan
            if scans.count >= 2 * StateSalvage.rememberedLimit { dropOldest() }
        case .journal(let id, _, let scanner, _): scanners[id] = scanner
        case .journalID, .reason, .clock: break
        }
    }

    private mutating func dropOldest() {
        let first = scans.keys.sorted()[scans.count - StateSalvage.rememberedLimit]
        firstID = first
        scans = scans.filter { $0.key >= first }
    }

    /// Returns the newest admissions of this scanner, the oldest first.
    private func newestScans(of scanner: ScannerID) -> ArraySlice<Scan> {
        func inOrder(_ scans: [Int64: Scan]) -> [Scan] { scans.sorted { $0.key < $1.key }.map(\.value) }
        let own = scans.filter { scanners[$0.key >> 32] ?? scanner == scanner }
        return (inOrder(remembered) + inOrder(own)).suffix(StateSalvage.rememberedLimit)
    }

    private mutating func writeCounters(to database: Database) throws {
        let upsert = try database.prepare(
            """
            INSERT INTO counters VALUES (?, ?)
            ON CONFLICT (tag) DO UPDATE SET counter = excluded.counter WHERE excluded.counter > counter
            """)
        for (tag, counter) in counters { try upsert.run(.int(tag), .int(counter)) }
        counters = [:]
    }
}
