import DataFolder
package import FileSystem
import LinuxSystem
import SQLite
package import ScanModel

/// The gate's log of taps: the one writer of `journal.sqlite`, on one connection, confined to the lane's thread.
///
/// A scan is on the disk when `append` returns. Each start begins a new journal with a random identity, and so does each
/// day of running; the file holds them in order.
package final class Journal {
    /// A journal is at most this old: 24 hours by the monotonic clock.
    package static let ageLimitMs: Int64 = 24 * 3_600_000

    /// Characters of a reason that are kept.
    package static let reasonLimit = 500
    package static let keepDaysDefault = 30

    /// A scan before it has its number.
    package struct Entry: Hashable, Sendable {
        /// Device clock, milliseconds since 1970-01-01 UTC.
        package var atMs: Int64
        package var tag: TagID
        package var verdict: Verdict
        package var flags: Flags
        package var gate: Int64?
        package var snapshot: Int64

        package init(atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64) {
            (self.atMs, self.tag, self.verdict, self.flags) = (atMs, tag, verdict, flags)
            (self.gate, self.snapshot) = (gate, snapshot)
        }
    }

    package let scanner: ScannerID
    /// The present journal.
    package var id: JournalID { present.id }
    /// The last seq of the present journal; 0 before its first scan.
    package var lastSeq: Int64 { present.lastSeq }
    /// Device time of the last scan that the file held at the start, whichever journal it is in; nil without one.
    package let lastAtMs: Int64?

    /// What prune may take: shipped, and older than so many days ...
    package var keepDays = Journal.keepDaysDefault
    /// ... and before this, which the lane sets to the start of the event day before the present one: its memory is rebuilt
    /// from these scans. Milliseconds since 1970.
    package var keepFromMs = Int64.max

    let path: String
    let folder: String
    let database: Database
    let monotonicMs: () -> Int64
    private let lock: FileLock
    private let insert: Statement
    private let upsertCounter: Statement
    private let insertReason: Statement
    var present = Present(id: JournalID.random())
    /// What the idle moments have done, and when they look again.
    var chores = MaintenanceState()

    /// The present journal as it stands, put back when a transaction fails.
    struct Present {
        var id: JournalID
        var rowid: Int64 = 0
        var lastSeq: Int64 = 0
        var begunMs: Int64 = 0
    }

    /// Takes the folder's gate lock, opens or makes the file, and begins a journal.
    ///
    /// A damaged file is set aside and a new one starts. Throws `ProgramError` (configuration) when another gate holds the
    /// folder, `DataFileError` when the file cannot be written.
    /// - Parameters:
    ///   - folder: the scanner's data folder; made if missing.
    ///   - monotonicMs: milliseconds of a clock that never steps.
    package init(
        folder: String, scanner: ScannerID, monotonicMs: @escaping () -> Int64 = SystemClock.monotonicMs
    ) throws {
        try Files.makeFolder(folder)
        lock = try FileLock(DataFolderPaths.gateLock(folder))
        (self.folder, self.scanner, self.monotonicMs) = (folder, scanner, monotonicMs)
        path = DataFolderPaths.journal(folder)
        let opened = try JournalFile.durable.open(path)
        database = opened.database
        do {
            // Also after a start that was cut off between the two.
            let isNew = try database.int("SELECT count(*) FROM journals") == 0
            let old = opened.quarantined ?? (isNew ? CorruptFile.names(path).last : nil)
            if let old { chores.carryOver = try StateSalvage.take(old, into: database, scanner: scanner) }
            insert = try database.prepare("INSERT INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)")
            upsertCounter = try database.prepare(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (tag) DO UPDATE SET counter = excluded.counter")
            insertReason = try database.prepare("INSERT INTO reasons VALUES (?, ?)")
            lastAtMs =
                try database.int("SELECT at FROM scans ORDER BY id DESC LIMIT 1")
                ?? database.int("SELECT at FROM remembered ORDER BY id DESC LIMIT 1")
            try database.growInSteps(ofBytes: JournalFile.growthBytes)
            chores.reserveRows = try database.int("SELECT count(*) FROM reserve") ?? 0
            if try isLong() { chores.look = MaintenanceState.Look() }
            try begin(JournalID.random())
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// The lock that a gate holds on its folder, for one who changes what the gate would read at its start. Throws
    /// `ProgramError` (configuration) while a gate runs there.
    package static func lock(folder: String) throws -> FileLock { try FileLock(DataFolderPaths.gateLock(folder)) }

    /// Logs one scan; it is on the disk when this returns. Throws `DataFileError`, and then nothing was logged.
    ///
    /// A time outside 1970 to 2199 becomes the nearest one inside: no batch could carry it.
    package func append(
        atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) throws -> Scan {
        try append(Entry(atMs: atMs, tag: tag, verdict: verdict, flags: flags, gate: gate, snapshot: snapshot))
    }

    /// Logs one scan, and what belongs to it, in one commit: all of it is on the disk when this returns.
    ///
    /// Throws `DataFileError`, and then nothing was logged.
    /// - Parameters:
    ///   - counter: the read counter that the tag's message carried, kept as the tag's newest.
    ///   - reason: why the supervisor ordered it; cut to `reasonLimit` characters.
    ///   - continues: the scan belongs to an earlier one of this journal (an annulment): no new journal begins with it.
    package func append(
        _ entry: Entry, counter: Int64? = nil, reason: String? = nil, continues: Bool = false
    ) throws -> Scan {
        if let damage = chores.damage { throw DataFileError(path, damage, isDamaged: true) }
        let isOld = !continues && isOld
        chores.tapped()
        do {
            let isShort = try reserveIsNeeded()
            // One statement is its own transaction.
            if !isOld, !isShort, counter == nil, reason == nil { return try write(entry) }
            return try atOnce {
                if isOld { try begin(JournalID.random()) }
                if isShort { try releaseReserve() }
                let scan = try write(entry)
                if let counter { try upsertCounter.run(.int(entry.tag.rawValue), .int(counter)) }
                if let reason {
                    try insertReason.run(
                        .int(JournalFile.scanID(present.rowid, scan.seq)),
                        .text(String(reason.prefix(Journal.reasonLimit))))
                }
                return scan
            }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Logs many scans in one transaction: all or none. For simulated fleets; a lane logs each tap by itself.
    package func appendBatch(_ entries: [Entry]) throws -> [Scan] {
        do {
            return try atOnce {
                if isOld { try begin(JournalID.random()) }
                return try entries.map { try write($0) }
            }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Makes the file as good as full at `pages` pages, for tests of a full disk.
    func limitPages(_ pages: Int) throws { _ = try database.int("PRAGMA max_page_count = \(pages)") }

    /// One transaction; `present` is as before when it fails.
    func atOnce<Result>(_ body: () throws -> Result) throws -> Result {
        let before = present
        do { return try database.transaction { try body() } } catch {
            present = before
            throw error
        }
    }

    private func write(_ entry: Entry) throws(SQLiteError) -> Scan {
        let atMs = min(max(entry.atMs, Bounds.timesMs.lowerBound), Bounds.timesMs.upperBound - 1)
        let seq = present.lastSeq + 1
        try insert.bind(1, JournalFile.scanID(present.rowid, seq))
        try insert.bind(2, atMs)
        try insert.bind(3, entry.tag.rawValue)
        try insert.bind(4, Int64(entry.verdict.rawValue))
        try insert.bind(5, Int64(entry.flags.rawValue))
        try insert.bind(6, Value(entry.gate))
        try insert.bind(7, entry.snapshot)
        while try insert.step() {}
        present.lastSeq = seq
        return Scan(
            seq: seq, atMs: atMs, tag: entry.tag, verdict: entry.verdict, flags: entry.flags, gate: entry.gate,
            snapshot: entry.snapshot)
    }

    /// Half the room for seqs: a batch may still follow.
    private var isOld: Bool {
        monotonicMs() - present.begunMs >= Journal.ageLimitMs || present.lastSeq >= JournalFile.seqLimit / 2
    }

    private func begin(_ new: JournalID) throws(SQLiteError) {
        let createdMs = SystemClock.nowMicroseconds() / 1_000
        let next = (try database.int("SELECT max(id) FROM journals") ?? 0) + 1
        try database.prepare("INSERT INTO journals VALUES (?, ?, ?, ?)")
            .run(.int(next), .blob(new.bytes), .text(scanner.text), .int(createdMs))
        present = Present(id: new, rowid: next, begunMs: monotonicMs())
    }
}
