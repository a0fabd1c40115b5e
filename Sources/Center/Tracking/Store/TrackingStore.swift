import LinuxSystem
package import Postgres
import Runtime
package import ScanRuns

/// Tracks each run of stored scans once: derives presence, annulments, flow and double admissions from it. Confined to
/// its connection's thread.
///
/// A transaction removes runs from `tapline_internal.tracking_queue` and applies them. It holds an advisory lock, so
/// the trackers of several centers take turns. Each reads the rows that the others have committed.
///
/// If the database rejects the data of a transaction (`PostgresError.blamesData`), its runs are tracked one by one.
/// Those that fail alone are skipped for `rejectedPauseMs`. They stay in the queue and do not block others.
package final class TrackingStore {
    /// The advisory lock of the trackers: "TPLN" and 1. `tapline_internal.refresh_due_double_admissions` waits for it.
    package static let lockKey: Int64 = 0x5450_4c4e_0001
    /// Number of scans after which a transaction reads no further runs from the queue. More scans move a busy tag less
    /// often. Fewer hold the lock for a shorter time.
    static let queuedScansLimit = 600_000
    /// How long a rejected run is skipped, in milliseconds. The cause may be corrected in the database.
    static let rejectedPauseMs: Int64 = 600_000
    /// Explicit, whatever the server's default: each statement must see what was committed while it waited for the
    /// lock.
    private static let mode = "ISOLATION LEVEL READ COMMITTED READ WRITE"

    let connection: PostgresConnection
    private let queue: TrackingQueue
    private let log = Log("tracking")
    /// Rejected runs, and when each may be tried again, in monotonic milliseconds.
    private var rejected: [TrackingQueue.Run: Int64] = [:]

    /// Prepares a connection for tracking.
    ///
    /// - Parameters:
    ///   - connection: used by this store alone while a call is running.
    ///   - isTracker: `true` if the session does nothing else. Then a commit does not wait for the disk, because work
    ///     that a crash undoes is repeated.
    /// - Throws: `PostgresError` if the session cannot be set up.
    package init(_ connection: PostgresConnection, isTracker: Bool = false) throws(PostgresError) {
        self.connection = connection
        queue = TrackingQueue(connection: connection)
        // work_mem: enough for the passages of a transaction, which otherwise go through a temporary file.
        if isTracker { try connection.execute("SET synchronous_commit = off; SET work_mem = '64MB'") }
    }

    /// Tracks runs whose scans are in memory. Skips runs that are not in the queue any more.
    ///
    /// - Throws: `PostgresError` that a retry may correct.
    package func track(_ runs: [StoredScans]) throws {
        guard !runs.isEmpty else { return }
        do { try trackTogether(runs) } catch let error as PostgresError where error.blamesData {
            try trackEach(runs.map { TrackingQueue.Run($0) }) { try trackTogether([runs[$0]]) }
        }
    }

    private func trackTogether(_ runs: [StoredScans]) throws {
        try connection.transaction(TrackingStore.mode) {
            try lock()
            let queued = try queue.remove(runs)
            try apply(queued.count == runs.count ? runs : runs.filter { queued.contains(TrackingQueue.Run($0)) })
        }
    }

    /// Tracks all queued runs, so that the effects of stored scans are visible immediately.
    ///
    /// - Throws: `PostgresError` that a retry may correct.
    package func catchUp() throws {
        while try catchUp(olderThanMs: 0) {}
    }

    /// Tracks queued runs in one transaction, about `queuedScansLimit` scans.
    ///
    /// - Parameter olderThanMs: minimum time in the queue, in milliseconds.
    /// - Returns: `false` if no such run was queued.
    /// - Throws: `PostgresError` that a retry may correct.
    @discardableResult
    package func catchUp(olderThanMs: Int64) throws -> Bool { try trackQueued(olderThanMs: olderThanMs) != nil }

    /// Tracks queued runs in one transaction, about `queuedScansLimit` scans.
    ///
    /// - Parameters:
    ///   - olderThanMs: minimum time in the queue, in milliseconds.
    ///   - held: runs that stay in the queue, because the caller has them in memory.
    /// - Returns: the number of scans; `nil` if no such run was queued.
    /// - Throws: `PostgresError` that a retry may correct.
    package func trackQueued(olderThanMs: Int64, except held: [StoredScans] = []) throws -> Int? {
        rejected = rejected.filter { $0.value > SystemClock.monotonicMs() }
        let excluded = Array(rejected.keys) + held.map { TrackingQueue.Run($0) }
        let selection = TrackingQueue.Selection(olderThanMs: olderThanMs, excluded: excluded)
        if try queue.isEmpty(selection) { return nil }
        do {
            return try connection.transaction(TrackingStore.mode) {
                try lock()
                return try trackQueued(selection)
            }
        } catch let error as PostgresError where error.blamesData {
            let runs = try queue.runs(selection)
            try trackEach(runs) { index in
                try connection.transaction(TrackingStore.mode) {
                    try lock()
                    try apply(queue.take(runs[index]))
                }
            }
            return 0
        }
    }

    /// Tracks all queued runs within a transaction that holds the lock.
    func trackAllQueued() throws(PostgresError) {
        let selection = TrackingQueue.Selection(olderThanMs: 0, excluded: Array(rejected.keys))
        while try trackQueued(selection) != nil {}
    }

    /// Returns the number of scans; `nil` if no such run was queued.
    private func trackQueued(_ selection: TrackingQueue.Selection) throws(PostgresError) -> Int? {
        var effects = TrackingEffects(connection)
        var (runs, scans) = (0, 0)
        while scans < TrackingStore.queuedScansLimit {
            // A part at a time is in memory.
            let taken = try queue.take(selection)
            if taken.runs == 0 { break }
            runs += taken.runs
            scans += taken.scans.reduce(0) { $0 + $1.count }
            try effects.add(taken.scans)
        }
        try effects.write()
        return runs == 0 ? nil : scans
    }

    /// Calls `body` for the index of each run, after all runs together were rejected. Records the runs that fail alone.
    private func trackEach(_ runs: [TrackingQueue.Run], _ body: (Int) throws -> Void) throws {
        var failures: [(run: TrackingQueue.Run, error: PostgresError)] = []
        for (index, run) in runs.enumerated() {
            do { try body(index) } catch let error as PostgresError where error.blamesData {
                rejected[run] = SystemClock.monotonicMs() + TrackingStore.rejectedPauseMs
                failures.append((run, error))
            }
        }
        guard let first = failures.first else { return }
        log.error(
            "scans rejected by the database, they stay in tapline_internal.tracking_queue",
            [.count: failures.count, .journal: first.run.journal, .seq: first.run.first, .error: "\(first.error)"])
    }

    /// The number of runs that are not tracked because the database rejected their data.
    package var rejectedRuns: Int { rejected.count }

    private func lock() throws(PostgresError) {
        try connection.query("SELECT pg_advisory_xact_lock($1)", [.int64(TrackingStore.lockKey)])
    }
}
