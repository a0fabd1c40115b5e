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
    /// be repeated.
    static let highRateDelayMs: Int64 = 60_000
    /// Number of scans since the previous check above which the rate is high. Checks are at least one second apart.
    static let highRateScans = 10_000

    private let databaseURL: String
    /// Scans tracked since the previous check.
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
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissionRefresher.minimumPauseMs
            let start = SystemClock.monotonicMs()
            let isHighRate = scans.exchange(0, ordering: .relaxed) > DoubleAdmissionRefresher.highRateScans
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
