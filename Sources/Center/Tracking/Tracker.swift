import LinuxSystem
import Postgres
package import Runtime
package import ScanRuns
import Synchronization

/// Keeps presence, annulments and flow at most one second behind the stored scans.
///
/// Its queue in memory is a short cut. Other runs are read from `tapline_internal.tracking_queue`: runs that do not
/// fit, runs that were queued when the center crashed, and runs that another program stored.
package final class Tracker: Sendable {
    /// Maximum total size of the columns of the runs in memory, in bytes: 1.5 million scans, half a second of a backlog
    /// at full speed. A run that is a part of its batch may keep twice its size.
    static let memoryLimit = 21_000_000
    /// Maximum number of queued runs, at about 500 bytes each besides their columns.
    static let runsLimit = 16_384
    /// Maximum number of scans of one transaction. It is large enough that a busy tag is moved once for many scans. It
    /// is small enough that the transaction ends within the second.
    static let transactionScansLimit = 1_000_000
    /// Runs queued in the database longer than this, in milliseconds, are considered orphaned: their center is gone, or
    /// its queue was full. Any center may claim them.
    static let orphanedAgeMs: Int64 = 1_500
    /// Interval at which orphaned runs are searched, in milliseconds.
    static let orphanCheckMs: Int64 = 500

    private let databaseURL: String
    private let statementTimeoutMs: Int
    private let queue = Mailbox<StoredScans>(capacity: Tracker.runsLimit)
    /// Bytes of the columns in the queue and in hand.
    private let waiting = Atomic(0)
    /// When scans were stored last, in monotonic milliseconds.
    private let storedMs = Atomic<Int64>(0)
    private let log = Log("tracking")
    private let metrics: TrackingMetrics
    private let doubleAdmissions: DoubleAdmissionRefresher

    /// Creates a tracker with an empty queue. It connects when `run` is called.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - statementTimeoutMs: the server's limit for one statement, in milliseconds.
    ///   - metrics: where the tracker registers its metrics.
    package init(databaseURL: String, statementTimeoutMs: Int = 60_000, metrics: Metrics) {
        self.databaseURL = databaseURL
        self.statementTimeoutMs = statementTimeoutMs
        self.metrics = TrackingMetrics(metrics)
        doubleAdmissions = DoubleAdmissionRefresher(databaseURL: databaseURL)
    }

    /// Queues stored scans. Called by writers after their commit. Never blocks.
    ///
    /// Runs that do not fit are tracked later, from the database.
    package func enqueue(_ runs: [StoredScans]) {
        storedMs.store(SystemClock.monotonicMs(), ordering: .relaxed)
        for run in runs {
            let bytes = run.columnBytes
            guard waiting.load(ordering: .relaxed) + bytes <= Tracker.memoryLimit else { return }
            // Before it is sent: the tracker may dequeue and subtract it immediately.
            waiting.wrappingAdd(bytes, ordering: .relaxed)
            if !queue.send(run) {
                waiting.wrappingSubtract(bytes, ordering: .relaxed)
                return
            }
        }
    }

    /// Reports accepted scans, duplicates included. Called by writers after their commit.
    ///
    /// A refresh of double admissions waits for the end of a backlog, and duplicates make one too.
    package func noteReceived(scans: Int) {
        if scans > 0 { doubleAdmissions.addReceived(scans, atMs: SystemClock.monotonicMs()) }
    }

    /// Whether scans arrive or are tracked at a high rate, as after an outage. Never blocks.
    package var isStoringBacklog: Bool { doubleAdmissions.isHighRate }

    /// Bytes of the columns in memory, at most `memoryLimit`.
    var waitingBytes: Int { waiting.load(ordering: .relaxed) }

    /// Tracks until the stop signal, then empties the queue.
    ///
    /// The caller gives the signal after the writers have ended. A lost connection is made again without limit, with
    /// back-off.
    package func run(_ stop: StopSignal) {
        // Not joined: its work is repeated at the next start.
        NamedThread("doubles") { [doubleAdmissions] in doubleAdmissions.run(stop) }
        var backoff = Backoff()
        var hasFailed = false
        while !stop.isStopped {
            do {
                try work(stop) {
                    backoff.reset()
                    if hasFailed { log.info("tracking resumed") }
                    hasFailed = false
                }
            } catch {
                // The queued runs are in the database as well.
                subtract(queue.drain())
                if !hasFailed { log.warning("tracking failed, will retry", [.error: "\(error)"]) }
                hasFailed = true
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }

    private func work(_ stop: StopSignal, succeeded: () -> Void) throws {
        let store = try TrackingStore(
            PostgresConnection(
                url: databaseURL, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-center tracking"),
            isTracker: true)
        // Runs left from before the restart or reconnect. They may include runs that other centers have queued in
        // memory; those centers then skip them.
        try store.catchUp()
        succeeded()
        // Not a slice, which would keep the tracked runs in memory.
        var held: [StoredScans] = []
        defer { subtract(held) }
        var nextMs: Int64 = 0
        var orphanCheckAtMs: Int64 = 0
        while true {
            let hasEnded = stop.isStopped
            if !hasEnded, held.isEmpty {
                let left = max(0, orphanCheckAtMs - SystemClock.monotonicMs())
                _ = Poll.wait([queue.descriptor, stop.descriptor], timeoutMs: Int(left))
            }
            if !hasEnded, !held.isEmpty || queue.count > 0 {
                stop.wait(ms: Int(max(0, nextMs - SystemClock.monotonicMs())))
            }
            held += queue.drain()
            if !held.isEmpty {
                let start = SystemClock.monotonicMs()
                let scans = try trackNext(&held, store)
                let took = SystemClock.monotonicMs() - start
                nextMs = start + intervalMs(tookMs: took, scans: scans)
                succeeded()
            }
            if !hasEnded, SystemClock.monotonicMs() >= orphanCheckAtMs {
                // Runs in memory are not orphaned, however long a backlog makes them wait.
                held += queue.drain()
                let start = SystemClock.monotonicMs()
                orphanCheckAtMs = start + Tracker.orphanCheckMs
                if let scans = try store.trackQueued(olderThanMs: Tracker.orphanedAgeMs, except: held) {
                    doubleAdmissions.addTracked(scans)
                    // The next transaction waits for both, so that they share the quarter.
                    let took = SystemClock.monotonicMs() - start
                    nextMs = max(nextMs, start) + intervalMs(tookMs: took, scans: scans)
                    orphanCheckAtMs = nextMs
                }
                succeeded()
            }
            if hasEnded, held.isEmpty, queue.count == 0 { return }
        }
    }

    /// As `TrackerPace.intervalMs`, by whether scans are being stored.
    private func intervalMs(tookMs: Int64, scans: Int) -> Int64 {
        let idleMs = SystemClock.monotonicMs() - storedMs.load(ordering: .relaxed)
        return TrackerPace.intervalMs(tookMs: tookMs, scans: scans, isStoring: idleMs < TrackerPace.idleMs)
    }

    /// Tracks the next runs in one transaction and removes them from `held`. Returns the number of their scans.
    private func trackNext(_ held: inout [StoredScans], _ store: TrackingStore) throws -> Int {
        var scans = 0
        let count = held.prefix { run in
            defer { scans += run.count }
            return scans < Tracker.transactionScansLimit
        }.count
        let runs = Array(held.prefix(count))
        defer { subtract(runs) }
        held.removeFirst(count)
        let start = SystemClock.monotonicNanoseconds()
        try store.track(runs)
        metrics.seconds.observe(Double(SystemClock.monotonicNanoseconds() - start) / 1e9)
        metrics.tracked.add(scans)
        doubleAdmissions.addTracked(scans)
        return scans
    }

    private func subtract(_ runs: [StoredScans]) {
        waiting.wrappingSubtract(runs.reduce(0) { $0 + $1.columnBytes }, ordering: .relaxed)
    }
}

extension StoredScans {
    /// Size of the columns in bytes.
    fileprivate var columnBytes: Int {
        count * (4 + 8 + 1 + 1 + (receivedUs == nil ? 0 : 8) + (placedMicros == nil ? 0 : 8))
    }
}

/// When the tracker begins its next transaction.
///
/// Without a backlog, presence is at most one second behind. While a backlog is stored, tracking uses at most a quarter
/// of one connection, so that it takes no core from ingestion. Fewer and larger transactions then move each tag less
/// often. After the backlog, tracking does not pause.
enum TrackerPace {
    /// Minimum interval between the beginnings of two transactions, in milliseconds.
    static let minimumIntervalMs: Int64 = 40
    /// The next transaction begins at least 4 T after one that took T: a quarter of one connection.
    static let intervalFactor: Int64 = 4
    /// Maximum of that interval without a backlog, and its minimum in a backlog, in milliseconds. It leaves room in the
    /// second for the transaction itself.
    static let fullIntervalMs: Int64 = 700
    /// A transaction of at least this many scans is part of a backlog: more than 70,000 scans a second.
    static let backlogScans = 50_000
    /// Maximum interval in a backlog, in milliseconds, so that tracking goes on soon after its end.
    static let backlogMaximumMs: Int64 = 2_000

    /// A backlog has ended if nothing was stored for this time, in milliseconds.
    static let idleMs: Int64 = 250

    /// Returns the interval between the beginnings of a transaction and of the next one, in milliseconds.
    ///
    /// - Parameters:
    ///   - tookMs: duration of the transaction, in milliseconds.
    ///   - scans: the number of scans that it tracked.
    ///   - isStoring: whether scans are being stored.
    static func intervalMs(tookMs: Int64, scans: Int, isStoring: Bool = true) -> Int64 {
        if !isStoring { return max(minimumIntervalMs, tookMs) }
        let share = intervalFactor * tookMs
        if scans < backlogScans { return min(max(minimumIntervalMs, share), fullIntervalMs) }
        return min(max(fullIntervalMs, share), backlogMaximumMs)
    }
}

/// The metrics of the tracker, described in docs/reference/metrics.md.
private struct TrackingMetrics: Sendable {
    let tracked: Counter
    let seconds: Histogram

    init(_ metrics: Metrics) {
        tracked = metrics.counter("tapline_tracking_scans_total", "Scans tracked as they were stored.")
        seconds = metrics.histogram(
            "tapline_tracking_seconds", "Duration of one tracking transaction, in seconds.",
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
    }
}
