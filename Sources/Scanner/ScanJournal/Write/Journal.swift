import DataFolder
package import FileSystem
package import LinuxSystem
import SQLite
package import ScanModel

/// The gate's append-only log of scans: the only writer of `journal.sqlite`, confined to the lane's thread.
///
/// A scan is on the disk when `append` returns. Each start of the gate begins a new journal with a random ID, and so
/// does each day of operation. The file holds them in order.
package final class Journal {
    /// Maximum age of a journal in milliseconds by the monotonic clock: 24 hours.
    package static let ageLimitMs: Int64 = 24 * 3_600_000

    /// Maximum number of characters of a reason. Longer ones are cut.
    package static let reasonLimit = 500
    /// Default of `keepDays`.
    package static let keepDaysDefault = 30

    /// A scan without its seq.
    package struct Entry: Hashable, Sendable {
        /// Device clock, milliseconds since 1970-01-01 UTC.
        package var atMs: Int64
        /// The tag; `.none` for a lane event.
        package var tag: TagID
        /// The verdict, or the kind of the lane event.
        package var verdict: Verdict
        /// The flags of the scan; `.out` marks an exit.
        package var flags: Flags
        /// ID of the gate; `nil` without one.
        package var gate: Int64?
        /// Version of the snapshot that decided; 0 without one.
        package var snapshot: Int64

        /// Creates an entry.
        ///
        /// - Parameters:
        ///   - atMs: device clock, in milliseconds since 1970-01-01 UTC.
        ///   - tag: the tag; `.none` for a lane event.
        ///   - verdict: the verdict, or the kind of the lane event.
        ///   - flags: the flags of the scan.
        ///   - gate: ID of the gate; `nil` without one.
        ///   - snapshot: version of the snapshot that decided; 0 without one.
        package init(atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64) {
            (self.atMs, self.tag, self.verdict, self.flags) = (atMs, tag, verdict, flags)
            (self.gate, self.snapshot) = (gate, snapshot)
        }
    }

    /// The scanner of the journal.
    package let scanner: ScannerID
    /// The ID of the current journal.
    package var id: JournalID { current.id }
    /// The last seq of the current journal, or 0 before its first scan.
    package var lastSeq: Int64 { current.lastSeq }
    /// Device time of the last scan in the file at the start, in any journal; `nil` without scans.
    package let lastAtMs: Int64?

    /// Minimum age of the confirmed scans that maintenance may delete, in days.
    package var keepDays = Journal.keepDaysDefault
    /// Scans from this time on are kept, in milliseconds since 1970-01-01 UTC.
    ///
    /// The lane rebuilds its anti-passback memory from these scans. It sets the start of the previous event day.
    package var keepFromMs = Int64.max

    let path: String
    let folder: String
    let database: Database
    let monotonicMs: () -> Int64
    /// The present boot, to which `monotonicMs` belongs; `nil` if it is not known.
    let bootID: BootID?
    private let lock: FileLock
    private let insert: Statement
    private let upsertCounter: Statement
    private let insertReason: Statement
    private let insertClock: Statement
    var current = CurrentJournal(id: JournalID.random())
    var maintenance = MaintenanceState()

    /// The state of the current journal, restored when a transaction fails.
    struct CurrentJournal {
        var id: JournalID
        var rowid: Int64 = 0
        var lastSeq: Int64 = 0
        var begunMs: Int64 = 0
    }

    /// Takes the gate lock of the folder, opens or creates the file, and begins a journal.
    ///
    /// A corrupt file is renamed, and a new one is created.
    ///
    /// - Parameters:
    ///   - folder: The scanner's data folder. It is created if it is missing.
    ///   - scanner: The scanner of the new journal.
    ///   - monotonicMs: Milliseconds of a monotonic clock.
    ///   - bootID: The boot of that clock, or `nil` if it is not known.
    /// - Throws: `FileLock.Held` when another gate holds the lock, `DataFileError` when the file cannot be written.
    package init(
        folder: String, scanner: ScannerID, monotonicMs: @escaping () -> Int64 = SystemClock.monotonicMs,
        bootID: BootID? = BootID.current
    ) throws {
        try Files.makeFolder(folder)
        lock = try FileLock(DataFolderPaths.gateLock(folder))
        // A large file takes long to open. Until the lane turns, a beat would be that of an earlier gate.
        GateBeat.remove(folder: folder)
        (self.folder, self.scanner, self.monotonicMs) = (folder, scanner, monotonicMs)
        self.bootID = bootID
        path = DataFolderPaths.journal(folder)
        let opened = try JournalFile.durable.open(path)
        database = opened.database
        do {
            // Also after a start that ended between the rename and the salvage.
            let isNew = try database.int("SELECT count(*) FROM journals") == 0
            let old = opened.quarantined ?? (isNew ? CorruptFile.names(path).last : nil)
            if let old { maintenance.salvage = try StateSalvage.start(from: old, into: database, scanner: scanner) }
            insert = try database.prepare("INSERT INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)")
            upsertCounter = try database.prepare(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (tag) DO UPDATE SET counter = excluded.counter")
            insertReason = try database.prepare("INSERT INTO reasons VALUES (?, ?)")
            insertClock = try database.prepare("INSERT INTO clocks VALUES (?, ?, ?)")
            lastAtMs =
                try database.int("SELECT at FROM scans ORDER BY id DESC LIMIT 1")
                ?? database.int("SELECT at FROM remembered ORDER BY id DESC LIMIT 1")
            try database.growInSteps(ofBytes: JournalFile.growthBytes)
            maintenance.reserveRows = try database.int("SELECT count(*) FROM reserve") ?? 0
            if try exceedsOpeningCheck() { maintenance.contentCheck = MaintenanceState.ContentCheck() }
            try beginJournal(JournalID.random())
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Takes the lock that a gate holds on its folder, to change files that the gate reads at its start.
    ///
    /// - Throws: `FileLock.Held` while a gate is running on the folder.
    package static func lock(folder: String) throws -> FileLock { try FileLock(DataFolderPaths.gateLock(folder)) }

    /// Appends one scan. It is on the disk when this returns.
    ///
    /// A time outside 1970 to 2199 is replaced by the nearest one inside, because no batch can hold it.
    ///
    /// - Throws: `DataFileError`. Nothing was appended then.
    package func append(
        atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) throws -> Scan {
        try append(Entry(atMs: atMs, tag: tag, verdict: verdict, flags: flags, gate: gate, snapshot: snapshot))
    }

    /// Appends one scan with its counter and reason in one transaction. All is on the disk when this returns.
    ///
    /// - Parameters:
    ///   - entry: The scan.
    ///   - counter: The read counter in the tag's message. It is stored as the newest one of the tag.
    ///   - reason: The reason that the supervisor gave, cut to `reasonLimit` characters.
    ///   - continues: `true` if the scan belongs to an earlier one of this journal (an annulment). Then no new journal
    ///     may begin with it.
    /// - Returns: The scan with its seq.
    /// - Throws: `DataFileError`. Nothing was appended then.
    package func append(
        _ entry: Entry, counter: Int64? = nil, reason: String? = nil, continues: Bool = false
    ) throws -> Scan {
        if let damage = maintenance.damage { throw DataFileError(path, damage, isDamaged: true) }
        let isDueForNewJournal = !continues && isDueForNewJournal
        maintenance.recordTap()
        do {
            let isShort = try needsReserve()
            // A single statement is a transaction.
            let isOneRow = counter == nil && reason == nil && !recordsClock(of: entry)
            if !isDueForNewJournal, !isShort, isOneRow { return try write(entry) }
            return try inTransaction {
                if isDueForNewJournal { try beginJournal(JournalID.random()) }
                if isShort { try releaseReserve() }
                let scan = try write(entry)
                if let counter { try upsertCounter.run(.int(entry.tag.rawValue), .int(counter)) }
                if let reason {
                    try insertReason.run(
                        .int(JournalFile.scanID(current.rowid, scan.seq)),
                        .text(String(reason.prefix(Journal.reasonLimit))))
                }
                return scan
            }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Appends several scans in one transaction, for simulated fleets. A lane appends each scan separately.
    ///
    /// - Throws: `DataFileError`. Nothing was appended then.
    package func appendBatch(_ entries: [Entry]) throws -> [Scan] {
        do {
            return try inTransaction {
                if isDueForNewJournal { try beginJournal(JournalID.random()) }
                return try entries.map { try write($0) }
            }
        } catch let error as SQLiteError { throw DataFileError(path, error) }
    }

    /// Runs `body` in one transaction, and restores `current` when it fails.
    func inTransaction<Result>(_ body: () throws -> Result) throws -> Result {
        let before = current
        do { return try database.transaction { try body() } } catch {
            current = before
            throw error
        }
    }

    private func write(_ entry: Entry) throws(SQLiteError) -> Scan {
        let atMs = min(max(entry.atMs, Bounds.timesMs.lowerBound), Bounds.timesMs.upperBound - 1)
        let seq = current.lastSeq + 1
        try insert.bind(1, JournalFile.scanID(current.rowid, seq))
        try insert.bind(2, atMs)
        try insert.bind(3, entry.tag.rawValue)
        try insert.bind(4, Int64(entry.verdict.rawValue))
        try insert.bind(5, Int64(entry.flags.rawValue))
        try insert.bind(6, Value(entry.gate))
        try insert.bind(7, entry.snapshot)
        while try insert.step() {}
        current.lastSeq = seq
        if let bootID, recordsClock(of: entry) {
            try insertClock.run(
                .int(JournalFile.scanID(current.rowid, seq)), .int(monotonicMs()), .blob(bootID.bytes))
        }
        return Scan(
            seq: seq, atMs: atMs, tag: entry.tag, verdict: entry.verdict, flags: entry.flags, gate: entry.gate,
            snapshot: entry.snapshot)
    }

    /// Whether the monotonic time of a scan is recorded. Without a trusted clock it is the only proof of its time.
    private func recordsClock(of entry: Entry) -> Bool { bootID != nil && entry.flags.contains(.clockNotTrusted) }

    /// Whether the next scan begins a new journal. Half of the seqs stay free, because an appended batch may be long.
    private var isDueForNewJournal: Bool {
        monotonicMs() - current.begunMs >= Journal.ageLimitMs || current.lastSeq >= JournalFile.seqLimit / 2
    }

    private func beginJournal(_ new: JournalID) throws(SQLiteError) {
        let createdMs = SystemClock.nowMicroseconds() / 1_000
        let next = (try database.int("SELECT max(id) FROM journals") ?? 0) + 1
        try database.prepare("INSERT INTO journals VALUES (?, ?, ?, ?)")
            .run(.int(next), .blob(new.bytes), .text(scanner.text), .int(createdMs))
        current = CurrentJournal(id: new, rowid: next, begunMs: monotonicMs())
    }
}
