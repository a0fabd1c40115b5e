import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import SQLite
import ScanModel

/// What a new file takes over from one that was set aside, so that a lane keeps its memory: read counters, or every message
/// recorded from a chip would work once more, and who was admitted, or everybody might come in again after a restart.
///
/// Best effort: read from the pages as they lie there, whatever the damage, for a bounded time. The scans stay where they are,
/// for `Recovery`: what is remembered of them has no journal and no seq, and is never shipped.
struct StateSalvage {
    /// The newest so many admissions and annulments: several days of a busy lane.
    static let rememberedLimit = 100_000
    /// The pages of one step.
    private static let stepPages = 64
    private static let logHeadBytes = 32
    private static let frameHeadBytes = 24

    /// Pages that follow one another: of the log with a head each.
    private struct Piece {
        let path: String
        let offset: Int
        let pageHead: Int
    }

    /// The last is read next.
    private var pieces: [Piece] = []
    private var counters: [Int64: Int64] = [:]
    /// By the keys that they had. What was remembered before comes before what was logged.
    private var remembered: [Int64: Scan] = [:]
    private var scans: [Int64: Scan] = [:]
    private var scanners: [Int64: ScannerID] = [:]
    /// Scans before this are not of the newest.
    private var firstID = Int64.min
    private var keepsScans = true
    /// Pages of the log that were read: the last version of each is enough.
    private var seen: Set<Frame> = []

    /// A page in the log, by its number and the salt of the round in which it was written.
    private struct Frame: Hashable {
        let page: UInt64
        let salt: UInt64
    }

    /// Reads for so long, and writes what was found; returns what is left to read. Throws `SQLiteError`.
    static func take(
        _ file: String, into database: Database, scanner: ScannerID, limitMs: Int64 = MaintenanceState.carryOverMs
    ) throws -> StateSalvage? {
        guard isOurs(file) else { return nil }
        var carryOver = StateSalvage(file)
        let untilMs = SystemClock.monotonicMs() + limitMs
        repeat {} while carryOver.readPiece() && SystemClock.monotonicMs() < untilMs
        let scans = carryOver.ordered(scanner)
        let count = carryOver.counters.count
        try database.transaction {
            let insert = try database.prepare("INSERT INTO remembered VALUES (?, ?, ?, ?, ?, ?)")
            try database.execute("DELETE FROM remembered")
            for (index, scan) in scans.enumerated() {
                try insert.run(
                    .int(Int64(index + 1)), .int(scan.atMs), .int(scan.tag.rawValue),
                    .int(Int64(scan.verdict.rawValue)), .int(Int64(scan.flags.rawValue)), Value(scan.gate))
            }
            try carryOver.writeCounters(to: database)
        }
        Log("journal").info("memory taken over from the damaged file", [.file: file, .count: scans.count + count])
        (carryOver.remembered, carryOver.scans, carryOver.keepsScans) = ([:], [:], false)
        carryOver.seen = []
        return carryOver.pieces.isEmpty ? nil : carryOver
    }

    /// One more step, for the counters alone; false when there is nothing left. Throws `SQLiteError`.
    mutating func goOn(into database: Database) throws -> Bool {
        guard readPiece() else { return false }
        try database.transaction { try writeCounters(to: database) }
        return true
    }

    /// The file from its end backwards, where the newest mostly is; before it, as it is read first, the log.
    private init(_ file: String) {
        let step = StateSalvage.stepPages
        for (path, fileHead, pageHead) in [
            (file, 0, 0), (file + "-wal", StateSalvage.logHeadBytes, StateSalvage.frameHeadBytes),
        ] {
            let bytes = step * (pageHead + Int(JournalFile.pageBytes))
            for offset in stride(from: fileHead, to: Files.status(path)?.size ?? 0, by: bytes) {
                pieces.append(Piece(path: path, offset: offset, pageHead: pageHead))
            }
        }
    }

    /// Whether a file may be a journal: one that says itself that it is another's holds nothing of ours.
    private static func isOurs(_ file: String) -> Bool {
        guard let head = try? Files.salvage(file, at: 0, count: 100), head.count == 100 else { return true }
        guard head.starts(with: Array("SQLite format 3".utf8)) else { return true }
        let application = number(head[68..<72])
        return application == 0 || application == UInt64(JournalFile.durable.applicationID)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private mutating func readPiece() -> Bool {
        guard let piece = pieces.popLast() else { return false }
        let pageBytes = Int(JournalFile.pageBytes)
        let step = piece.pageHead + pageBytes
        let bytes = (try? Files.salvage(piece.path, at: piece.offset, count: StateSalvage.stepPages * step)) ?? []
        let starts = stride(from: piece.pageHead, through: bytes.count - pageBytes, by: step)
        for start in starts.reversed() where RecordCarver.isLeaf(bytes[start...]) {
            if piece.pageHead > 0 {
                let head = bytes[(start - piece.pageHead)..<start]
                let frame = Frame(
                    page: StateSalvage.number(head.prefix(4)), salt: StateSalvage.number(head.dropFirst(8).prefix(8)))
                guard seen.insert(frame).inserted else { continue }
            }
            RecordCarver.linked(bytes[start..<start + pageBytes]) { take($0) }
        }
        return true
    }

    private mutating func take(_ record: RecordCarver.Record) {
        switch record {
        // They only ever rise, so the largest of the versions that lie there is the newest.
        case .counter(let tag, let counter): counters[tag] = max(counter, counters[tag] ?? counter)
        case .remembered(let id, let scan): if keepsScans { remembered[id] = scan }
        case .scan(let id, let scan):
            guard keepsScans, id >= firstID, scan.verdict == .admitted || scan.verdict == .annulled else { return }
            scans[id] = scan
            if scans.count >= 2 * StateSalvage.rememberedLimit { forgetOldest() }
        case .journal(let id, _, let scanner, _): scanners[id] = scanner
        case .log, .reason: break
        }
    }

    private mutating func forgetOldest() {
        let first = scans.keys.sorted()[scans.count - StateSalvage.rememberedLimit]
        firstID = first
        scans = scans.filter { $0.key >= first }
    }

    /// The newest of this scanner, the oldest first.
    private func ordered(_ scanner: ScannerID) -> ArraySlice<Scan> {
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
