import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Refreshes the double admissions that are due, on its own thread and connection: a day of millions of scans takes
/// seconds, the day of one person milliseconds.
///
/// A backlog has priority: none is refreshed while scans arrive at a high rate, and a refresh in hand is cancelled.
/// What is due is in the database, so neither a cancellation nor a restart loses it.
final class DoubleAdmissionRefresher: Sendable {
    /// Minimum pause between two refreshes, in milliseconds.
    static let minimumPauseMs: Int64 = 1_000
    /// A refresh that took T is followed by a pause of at least 20 T. It uses at most 5 % of one core.
    static let pauseFactor: Int64 = 20
    /// Maximum delay of a refresh while scans arrive at a high rate, in milliseconds. Then one is not cancelled.
    static let highRateDelayMs: Int64 = 600_000
    /// Interval at which a refresh in hand looks for a backlog, in milliseconds.
    static let backlogCheckMs = 50

    private struct Rates {
        var received = ScanRate()
        /// Also those of other centers, and of a backlog that is stored and not tracked yet.
        var tracked = ScanRate()
    }

    private let databaseURL: String
    private let rates = Mutex(Rates())
    private let log = Log("tracking")

    init(databaseURL: String) { self.databaseURL = databaseURL }

    /// Reports accepted scans, duplicates included, at `atMs` of the monotonic clock. Called by the writers.
    func addReceived(_ count: Int, atMs: Int64) { rates.withLock { $0.received.add(count, atMs: atMs) } }

    /// Reports newly tracked scans. Called by the tracker.
    func addTracked(_ count: Int) { rates.withLock { $0.tracked.add(count, atMs: SystemClock.monotonicMs()) } }

    /// Whether scans arrive or are tracked at a high rate.
    var isHighRate: Bool {
        let now = SystemClock.monotonicMs()
        return rates.withLock { $0.received.isHigh(atMs: now) || $0.tracked.isHigh(atMs: now) }
    }

    /// Runs until the stop signal. Failures are logged once and retried.
    func run(_ stop: StopSignal) {
        var connection: PostgresConnection?
        var hasFailed = false
        var pauseMs = DoubleAdmissionRefresher.minimumPauseMs
        var refreshedMs = SystemClock.monotonicMs()
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissionRefresher.minimumPauseMs
            let start = SystemClock.monotonicMs()
            let isOverdue = start - refreshedMs >= DoubleAdmissionRefresher.highRateDelayMs
            guard isOverdue || !isHighRate else { continue }
            do {
                if connection?.isBroken != false { connection = try connect() }
                if let connection { try refresh(connection, stop, yielding: !isOverdue) }
                refreshedMs = SystemClock.monotonicMs()
                hasFailed = false
            } catch let error as PostgresError where error.isCancelled {
                // A backlog has begun.
                continue
            } catch {
                connection = nil
                if !hasFailed { log.warning("refresh of double admissions failed, will retry", [.error: "\(error)"]) }
                hasFailed = true
            }
            let took = SystemClock.monotonicMs() - start
            pauseMs = max(pauseMs, DoubleAdmissionRefresher.pauseFactor * took)
        }
    }

    /// Refreshes what is due of one event day. Cancels it at the stop signal and, if `yielding`, when a backlog begins.
    private func refresh(_ connection: PostgresConnection, _ stop: StopSignal, yielding: Bool) throws {
        let doubleAdmissions = DoubleAdmissionLog(connection: connection)
        guard try doubleAdmissions.isDue() else { return }
        let (canceller, ended) = (connection.canceller(), StopSignal())
        defer { ended.stop() }
        NamedThread("doubles-guard") { [self] in
            // Repeated, because a cancellation before the statement has begun has no effect.
            while !ended.wait(ms: DoubleAdmissionRefresher.backlogCheckMs) {
                if stop.isStopped || (yielding && isHighRate) { canceller.cancel() }
            }
        }
        try doubleAdmissions.refreshDueDay()
    }

    private func connect() throws -> PostgresConnection {
        // A refresh may take any time, but not more than one core. work_mem: a whole day is sorted by person, which
        // takes twice as long with the default.
        let connection = try PostgresConnection(
            url: databaseURL, statementTimeoutMs: 0, applicationName: "tapline-center double admissions")
        try connection.execute(
            "SET max_parallel_workers_per_gather = 0; SET synchronous_commit = off; SET work_mem = '64MB'")
        return connection
    }
}

/// Judges the rate of scans over the last seconds. In a backlog the groups and the tracker's transactions are large, so
/// a single second may see none of them.
struct ScanRate {
    /// Length of the window in milliseconds: several transactions of the tracker.
    static let windowMs: Int64 = 5_000
    /// Scans per second above which the rate is high. The scans of a single group may suffice.
    static let highRate = 10_000
    /// Additions within this time are one entry, in milliseconds.
    private static let stepMs: Int64 = 100

    /// Additions of the window, in order.
    private var entries: [(atMs: Int64, scans: Int)] = []

    /// Adds scans that arrived at `atMs`, in monotonic milliseconds.
    mutating func add(_ scans: Int, atMs: Int64) {
        let kept = entries.drop { atMs - $0.atMs >= ScanRate.windowMs }
        if kept.count < entries.count { entries = Array(kept) }
        if let last = entries.last, atMs - last.atMs < ScanRate.stepMs {
            entries[entries.count - 1].scans += scans
        } else {
            entries.append((atMs, scans))
        }
    }

    /// Returns whether the rate is high at `atMs`, in monotonic milliseconds.
    func isHigh(atMs: Int64) -> Bool {
        let scans = entries.reduce(0) { $0 + (atMs - $1.atMs < ScanRate.windowMs ? $1.scans : 0) }
        return scans > ScanRate.highRate * Int(ScanRate.windowMs / 1_000)
    }
}
