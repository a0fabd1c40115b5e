public import Runtime
import SQLite
public import Scans

/// The gate's log of taps: the one writer of `journal.sqlite`, on one connection, confined to the lane's thread.
///
/// A scan is on the disk when `append` returns. Each start begins a new journal with a random identity, and so does each
/// day of running; the file holds them in order.
public final class Journal {
    /// A journal is at most this old: 24 hours by the monotonic clock.
    public static let ageLimitMs: Int64 = 24 * 3_600_000

    /// A scan before it has its number.
    public struct Entry: Hashable, Sendable {
        /// Device clock, milliseconds since 1970-01-01 UTC.
        public var atMs: Int64
        public var tag: TagID
        public var verdict: Verdict
        public var flags: Flags
        public var gate: Int64?
        public var snapshot: Int64

        public init(atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64) {
            (self.atMs, self.tag, self.verdict, self.flags) = (atMs, tag, verdict, flags)
            (self.gate, self.snapshot) = (gate, snapshot)
        }
    }

    public let scanner: ScannerID
    /// The present journal.
    public private(set) var id: JournalID
    /// The last seq of the present journal; 0 before its first scan.
    public private(set) var lastSeq: Int64 = 0
    /// Device time of the last scan that the file held at the start, whichever journal it is in; nil without one.
    public let lastAtMs: Int64?

    private let path: String
    private let lock: FileLock
    private let database: Database
    private let insert: Statement
    private let monotonicMs: () -> Int64
    private var rowid: Int64 = 0
    private var begunMs: Int64 = 0

    /// Takes the folder's gate lock, opens or makes the file, and begins a journal.
    ///
    /// A damaged file is set aside and a new one starts. Throws `ProgramError` (configuration) when another gate holds the
    /// folder, `JournalError` when the file cannot be written.
    /// - Parameters:
    ///   - folder: the scanner's data folder; made if missing.
    ///   - monotonicMs: milliseconds of a clock that never steps.
    public init(
        folder: String, scanner: ScannerID, monotonicMs: @escaping () -> Int64 = SystemClock.monotonicMs
    ) throws {
        try Files.makeFolder(folder)
        lock = try FileLock(DataFolder.gateLock(folder))
        (path, self.scanner, self.monotonicMs) = (DataFolder.journal(folder), scanner, monotonicMs)
        database = try JournalFile.durable.open(path)
        do {
            insert = try database.prepare("INSERT INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)")
            lastAtMs = try database.int("SELECT at FROM scans ORDER BY id DESC LIMIT 1")
        } catch { throw JournalError(path, error) }
        id = JournalID.random()
        try begin(id)
    }

    /// Logs one scan; it is on the disk when this returns. Throws `JournalError`, and then nothing was logged.
    ///
    /// A time outside 1970 to 2199 becomes the nearest one inside: no batch could carry it.
    public func append(
        atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) throws -> Scan {
        let entry = Entry(atMs: atMs, tag: tag, verdict: verdict, flags: flags, gate: gate, snapshot: snapshot)
        try rollOver()
        do throws(SQLiteError) { return try write(entry) } catch { throw JournalError(path, error) }
    }

    /// Logs many scans in one transaction: all or none. For simulated fleets; a lane logs each tap by itself.
    public func appendBatch(_ entries: [Entry]) throws -> [Scan] {
        try rollOver()
        let before = lastSeq
        do { return try database.transaction { try entries.map { try write($0) } } } catch {
            lastSeq = before
            throw (error as? SQLiteError).map { JournalError(path, $0) } ?? error
        }
    }

    /// Makes the file as good as full at `pages` pages, for tests of a full disk.
    func limitPages(_ pages: Int) throws { _ = try database.int("PRAGMA max_page_count = \(pages)") }

    private func write(_ entry: Entry) throws(SQLiteError) -> Scan {
        let atMs = min(max(entry.atMs, Bounds.timesMs.lowerBound), Bounds.timesMs.upperBound - 1)
        let seq = lastSeq + 1
        try insert.bind(1, JournalFile.scanID(rowid, seq))
        try insert.bind(2, atMs)
        try insert.bind(3, entry.tag.rawValue)
        try insert.bind(4, Int64(entry.verdict.rawValue))
        try insert.bind(5, Int64(entry.flags.rawValue))
        try insert.bind(6, Value(entry.gate))
        try insert.bind(7, entry.snapshot)
        while try insert.step() {}
        lastSeq = seq
        return Scan(
            seq: seq, atMs: atMs, tag: entry.tag, verdict: entry.verdict, flags: entry.flags, gate: entry.gate,
            snapshot: entry.snapshot)
    }

    private func rollOver() throws {
        // Half the room for seqs: a batch may still follow.
        guard monotonicMs() - begunMs >= Journal.ageLimitMs || lastSeq >= JournalFile.seqLimit / 2 else { return }
        try begin(JournalID.random())
    }

    private func begin(_ new: JournalID) throws {
        let createdMs = SystemClock.nowMicroseconds() / 1_000
        do throws(SQLiteError) {
            let next = (try database.int("SELECT max(id) FROM journals") ?? 0) + 1
            try database.prepare("INSERT INTO journals VALUES (?, ?, ?, ?)")
                .run(.int(next), .blob(new.bytes), .text(scanner.text), .int(createdMs))
            (id, rowid, lastSeq, begunMs) = (new, next, 0, monotonicMs())
        } catch { throw JournalError(path, error) }
    }
}

/// What `journal.sqlite` holds.
enum JournalFile {
    static let durable = DurableFile(
        applicationID: 0x5450_4C4A, format: 1,
        schema: """
            CREATE TABLE journals(
                id INTEGER PRIMARY KEY, log BLOB NOT NULL UNIQUE, scanner TEXT NOT NULL, created INTEGER NOT NULL);
            CREATE TABLE scans(
                id INTEGER PRIMARY KEY, at INTEGER NOT NULL, tag INTEGER NOT NULL, verdict INTEGER NOT NULL,
                flags INTEGER NOT NULL, gate INTEGER, snapshot INTEGER NOT NULL);
            """)

    /// Seqs have the lower 32 bits of a scan's key.
    static let seqLimit: Int64 = 0xffff_ffff

    /// Scans lie in the file in the order of journals, then seqs.
    static func scanID(_ journal: Int64, _ seq: Int64) -> Int64 { journal << 32 | seq }
}
