import Postgres
import Runtime
import Synchronization

/// Keeps `tapline.kept_double_admissions`: looks for them anew in the event days of which scans were tracked, on a connection of
/// its own, since a day of millions of scans takes seconds.
final class DoubleAdmissions: Sendable {
    /// Between two looks, at least, and so many times what the last one took: at most a twentieth of a core.
    static let quickestMs: Int64 = 1_000
    static let paceFactor: Int64 = 20
    /// While scans pour in, more than `pouringScans` between two looks at the clock, it waits, but no longer than this: what
    /// is looked at now would have to be looked at again.
    static let patienceMs: Int64 = 60_000
    static let pouringScans = 10_000
    /// What a center tracked before it died may not have been looked at.
    private static let firstMicros: Int64 = 86_400_000_000

    private let databaseURL: String
    private struct State {
        var sinceMicros: Int64?
        /// Scans tracked since the last look at it.
        var scans = 0
    }
    private let state: Mutex<State>
    private let log = Log("tracking")

    init(databaseURL: String) {
        self.databaseURL = databaseURL
        state = Mutex(State(sinceMicros: SystemClock.nowMicroseconds() - DoubleAdmissions.firstMicros))
    }

    /// Scans of this time and later were tracked: the event day that it lies in, and those after, are looked at again.
    func doubt(from micros: Int64, scans: Int = 0) {
        state.withLock { state in
            state.sinceMicros = min(micros, state.sinceMicros ?? micros)
            state.scans += scans
        }
    }

    /// Since when it must be looked, now; nil: not now.
    private func due(waitedMs: Int64) -> Int64? {
        state.withLock { state in
            defer { state.scans = 0 }
            guard state.scans < DoubleAdmissions.pouringScans || waitedMs >= DoubleAdmissions.patienceMs else {
                return nil
            }
            return state.sinceMicros.take()
        }
    }

    func run(_ stop: StopSignal) {
        var connection: PostgresConnection?
        var isAway = false
        var pauseMs = DoubleAdmissions.quickestMs
        var lookedMs = SystemClock.monotonicMs()
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissions.quickestMs
            let start = SystemClock.monotonicMs()
            guard let micros = due(waitedMs: start - lookedMs) else { continue }
            do {
                if connection?.isBroken != false { connection = try connect() }
                try connection?.query(
                    "SELECT tapline.refresh_double_admissions($1)", [.timestamp(micros)])
                isAway = false
            } catch {
                doubt(from: micros)
                connection = nil
                if !isAway { log.warning("double admissions not looked at", [.error: "\(error)"]) }
                isAway = true
            }
            lookedMs = SystemClock.monotonicMs()
            pauseMs = max(pauseMs, DoubleAdmissions.paceFactor * (lookedMs - start))
        }
    }

    private func connect() throws -> PostgresConnection {
        // No limit on the time of a look, but one core at the most.
        let connection = try PostgresConnection(
            url: databaseURL, statementTimeoutMs: 0, applicationName: "tapline-center double admissions")
        try connection.execute("SET max_parallel_workers_per_gather = 0; SET synchronous_commit = off")
        return connection
    }
}
