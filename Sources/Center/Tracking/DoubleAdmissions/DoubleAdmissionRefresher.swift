import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Refreshes the due event days of the double admissions, on its own thread and connection: a day of millions of scans
/// takes seconds.
///
/// The due days are in the database, so a restart loses none.
final class DoubleAdmissionRefresher: Sendable {
    /// Minimum pause between two refreshes, in milliseconds.
    static let minimumPauseMs: Int64 = 1_000
    /// A refresh that took T is followed by a pause of at least 20 T. It uses at most 5 % of one core.
    static let pauseFactor: Int64 = 20
    /// Maximum delay of a refresh while scans arrive at a high rate, in milliseconds. An earlier refresh would have to
    /// be repeated, and it would take a core from the storing of a backlog.
    static let highRateDelayMs: Int64 = 600_000

    private let databaseURL: String
    /// Scans tracked so far.
    private let scans = Atomic(0)
    private let log = Log("tracking")

    init(databaseURL: String) { self.databaseURL = databaseURL }

    /// Reports newly tracked scans. Called by the tracker.
    func addTracked(_ count: Int) { scans.wrappingAdd(count, ordering: .relaxed) }

    /// Runs until the stop signal. Failures are logged once and retried.
    func run(_ stop: StopSignal) {
        var connection: PostgresConnection?
        var hasFailed = false
        var pauseMs = DoubleAdmissionRefresher.minimumPauseMs
        var refreshedMs = SystemClock.monotonicMs()
        var rate = TrackedRate(startMs: refreshedMs)
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissionRefresher.minimumPauseMs
            let start = SystemClock.monotonicMs()
            let isHighRate = rate.isHigh(atMs: start, total: scans.load(ordering: .relaxed))
            guard !isHighRate || start - refreshedMs >= DoubleAdmissionRefresher.highRateDelayMs else { continue }
            do {
                if connection?.isBroken != false { connection = try connect() }
                if let connection { try DoubleAdmissionLog(connection: connection).refreshDueDays() }
                hasFailed = false
            } catch {
                connection = nil
                if !hasFailed { log.warning("refresh of double admissions failed, will retry", [.error: "\(error)"]) }
                hasFailed = true
            }
            refreshedMs = SystemClock.monotonicMs()
            pauseMs = max(pauseMs, DoubleAdmissionRefresher.pauseFactor * (refreshedMs - start))
        }
    }

    private func connect() throws -> PostgresConnection {
        // A refresh may take any time, but not more than one core.
        let connection = try PostgresConnection(
            url: databaseURL, statementTimeoutMs: 0, applicationName: "tapline-center double admissions")
        try connection.execute("SET max_parallel_workers_per_gather = 0; SET synchronous_commit = off")
        return connection
    }
}

/// Judges the rate of tracked scans over a window. In a backlog the tracker pauses between large transactions, so a
/// single second may see none of them.
struct TrackedRate {
    /// Length of the window in milliseconds: several transactions of the tracker.
    static let windowMs: Int64 = 5_000
    /// Scans per second above which the rate is high.
    static let highRate: Int64 = 10_000

    /// Totals at the previous checks, of which at most one is older than the window.
    private var checks: [(atMs: Int64, total: Int)]

    /// - Parameter startMs: when the total was 0, in monotonic milliseconds.
    init(startMs: Int64) { checks = [(startMs, 0)] }

    /// Records a total and returns whether the rate is high.
    ///
    /// - Parameters:
    ///   - atMs: monotonic milliseconds.
    ///   - total: scans tracked so far.
    mutating func isHigh(atMs: Int64, total: Int) -> Bool {
        while checks.count > 1, atMs - checks[1].atMs >= TrackedRate.windowMs { checks.removeFirst() }
        let spanMs = max(atMs - checks[0].atMs, TrackedRate.windowMs)
        let isHigh = Int64(total - checks[0].total) * 1_000 > TrackedRate.highRate * spanMs
        checks.append((atMs, total))
        return isHigh
    }
}
