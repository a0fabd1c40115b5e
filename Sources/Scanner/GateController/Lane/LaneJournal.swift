import AccessControl
import DataFolder
import Runtime
import ScanJournal
import ScanModel

/// A row of the journal.
struct JournaledScan {
    let journalID: JournalID
    let scan: Scan
}

/// Gate and snapshot that the lane uses, as each row of the journal records them.
struct RowContext {
    /// `nil` without a gate.
    var gate: Int64?
    /// 0 without a snapshot.
    var snapshot: Int64
}

/// The lane's access to its journal: appends rows, replaces a damaged journal, counts rows that were not uploaded.
final class LaneJournal {
    /// Additional lifetime of a journal that holds pending admissions, beyond `Journal.ageLimitMs`.
    private static let graceMs: Int64 = 10 * 60_000

    private let settings: Lane.Settings
    private let clock: LaneClock
    private let pending: PendingPassages
    private let log: Log
    /// `nil` only while a damaged journal is being replaced.
    private var journal: Journal?
    /// Start of the present journal, by the monotonic clock.
    private var begunMs: Int64 = 0
    /// Last seq of each earlier journal of this scanner: rows that may not be uploaded yet.
    private var earlierSeqs: [JournalID: Int64] = [:]
    /// `false` after a row could not be appended, until one can.
    private(set) var isJournaling = true
    /// Maintenance that failed; `nil` if it succeeded.
    private(set) var maintenanceAlarm: Alarm?

    /// Opens the journal of the data folder and begins a new one.
    ///
    /// - Throws: the errors of `Journal.init`.
    init(settings: Lane.Settings, clock: LaneClock, pending: PendingPassages, log: Log) throws {
        self.settings = settings
        self.clock = clock
        self.pending = pending
        self.log = log
        let journal = try open()
        self.journal = journal
        countEarlier()
        if let lastAtMs = journal.lastAtMs { clock.noteScan(atMs: lastAtMs) }
    }

    /// `nil` while a damaged journal cannot be replaced.
    var id: JournalID? { journal?.id }
    /// The last seq of the present journal; 0 before its first row.
    var lastSeq: Int64 { journal?.lastSeq ?? 0 }

    // MARK: Append

    /// Appends a row. It is on the disk when this returns.
    ///
    /// A damaged journal is replaced, and the row is appended to the new one.
    /// - Parameters:
    ///   - counter: read counter of the tag's message, kept as the newest of the tag.
    ///   - reason: the operator's reason, kept with the row.
    ///   - continuesJournal: `true` for a row that belongs to an earlier row of this journal.
    /// - Throws: `DataFileError` or `SystemError`; then nothing was appended.
    func append(
        _ entry: Journal.Entry, counter: Int64? = nil, reason: String? = nil, continuesJournal: Bool = false
    ) throws -> JournaledScan {
        do {
            return try withJournal { journal in
                let (previousID, previousSeq) = (journal.id, journal.lastSeq)
                let scan = try journal.append(
                    entry, counter: counter, reason: reason, continues: continuesJournal || isKeptForPassages)
                if journal.id != previousID {
                    earlierSeqs[previousID] = previousSeq
                    begunMs = clock.monotonicMs
                }
                isJournaling = true
                return JournaledScan(journalID: journal.id, scan: scan)
            }
        } catch {
            isJournaling = false
            throw error
        }
    }

    /// Appends a lane event: a row without a tag. An error is logged, and has no other effect.
    ///
    /// - Returns: `nil` if the event could not be appended.
    @discardableResult
    func appendEvent(
        _ verdict: Verdict, flags: Flags = [], in context: RowContext, reason: String? = nil
    ) -> JournaledScan? {
        let atMs = clock.nowMs
        var flags = flags
        if !clock.canBeRight(atMs) { flags.insert(.clockNotTrusted) }
        let entry = Journal.Entry(
            atMs: atMs, tag: .none, verdict: verdict, flags: flags, gate: context.gate, snapshot: context.snapshot)
        do { return try append(entry, reason: reason) } catch {
            log.error("lane event not journaled", [.code: verdict.rawValue, .error: "\(error)"])
            return nil
        }
    }

    /// Whether the present journal may grow older because it holds admissions of pending passages.
    ///
    /// An annulment belongs into the journal of its admission. The time is limited, because a crowd can cause pending
    /// passages at every moment.
    private var isKeptForPassages: Bool {
        guard let id = journal?.id, pending.contains(journal: id) else { return false }
        return clock.monotonicMs - begunMs < Journal.ageLimitMs + LaneJournal.graceMs
    }

    // MARK: Read

    /// The newest read counter of a tag; `nil` if none is known.
    func counter(of tag: TagID) throws -> Int64? { try withJournal { try $0.counter(of: tag) } }

    /// Replays this scanner's rows in the order in which they were journaled. See `Journal.forEachScan`.
    ///
    /// Does nothing while a damaged journal cannot be replaced.
    func forEachScan(
        wanted: (_ atMs: Int64, _ isTrusted: Bool) -> Bool?, note: (Scan, _ monotonicMs: Int64?) throws -> Void
    ) throws {
        try journal?.forEachScan(wanted: wanted, note: note)
    }

    /// Number of this scanner's rows that the broker has not confirmed.
    ///
    /// - Parameter uploaded: the last confirmed seq of each journal.
    /// - Returns: `nil` if it is not known.
    func backlog(uploaded: [JournalID: Int64]) -> Int64? {
        guard let journal else { return nil }
        let earlier = earlierSeqs.reduce(0) { $0 + max(0, $1.value - uploaded[$1.key, default: 0]) }
        return earlier + max(0, journal.lastSeq - uploaded[journal.id, default: 0])
    }

    // MARK: Maintenance

    /// Performs one bounded step of journal maintenance.
    ///
    /// - Parameter keepFromMs: rows from this time on are not pruned; milliseconds since 1970-01-01 UTC.
    /// - Returns: `true` if more work is pending.
    func performMaintenance(keepFromMs: Int64) -> Bool {
        guard let journal else { return false }
        do {
            journal.keepFromMs = keepFromMs
            let hasMore = try journal.performMaintenance()
            if !hasMore { maintenanceAlarm = journal.health.problem.map(Alarm.journal) }
            return hasMore
        } catch {
            maintenanceAlarm = .journalMaintenanceFailed(StorageFault(error))
            log.error("journal maintenance failed", [.error: "\(error)"])
            return false
        }
    }

    // MARK: Open

    private func open() throws -> Journal {
        let journal = try Journal(
            folder: settings.folder, scanner: settings.scanner, monotonicMs: clock.monotonicSource,
            bootID: clock.bootID)
        begunMs = clock.monotonicMs
        journal.keepDays = settings.keepDays
        return journal
    }

    /// Runs `body`. If the journal turns out to be damaged, opens a new one and runs `body` once more.
    ///
    /// The damaged file is quarantined when the new journal is opened.
    private func withJournal<Result>(_ body: (Journal) throws -> Result) throws -> Result {
        func attempt() throws -> Result {
            if let journal { return try body(journal) }
            let journal = try open()
            self.journal = journal
            countEarlier()
            return try body(journal)
        }
        do { return try attempt() } catch let error as DataFileError where error.isDamaged {
            log.error("journal is damaged", [.error: error])
            // The rows of a quarantined file do not count as backlog.
            journal = nil
            earlierSeqs = [:]
            return try attempt()
        }
    }

    /// Reads the last seq of each earlier journal. Called while the journal is open: see `JournalReader`.
    private func countEarlier() {
        do {
            for record in try JournalReader(folder: settings.folder).journals()
            where record.scanner == settings.scanner && record.journalID != journal?.id && record.lastSeq > 0 {
                earlierSeqs[record.journalID] = record.lastSeq
            }
        } catch { log.warning("earlier journals not counted", [.error: "\(error)"]) }
    }
}
