import Postgres
import Runtime
import Synchronization

/// Keeps `tapline.kept_double_admissions`: looks for them anew in the event days of which scans were tracked, on a connection of
/// its own, since a day of millions of scans takes seconds.
final class DoubleAdmissions: Sendable {
    /// Between two looks, at least, and so many times what the last one took: at most a twentieth of a core.
    static let quickestMs: Int64 = 1_000
    static let paceFactor: Int64 = 20
    /// What a center tracked before it died may not have been looked at.
    private static let firstMicros: Int64 = 86_400_000_000

    private let databaseURL: String
    private let since: Mutex<Int64?>
    private let log = Log("tracking")

    init(databaseURL: String) {
        self.databaseURL = databaseURL
        since = Mutex(SystemClock.nowMicroseconds() - DoubleAdmissions.firstMicros)
    }

    /// Scans of this time and later were tracked: the event day that it lies in, and those after, are looked at again.
    func doubt(from micros: Int64) { since.withLock { $0 = min(micros, $0 ?? micros) } }

    func run(_ stop: StopSignal) {
        var connection: PostgresConnection?
        var isAway = false
        var pauseMs = DoubleAdmissions.quickestMs
        while !stop.wait(ms: Int(pauseMs)) {
            pauseMs = DoubleAdmissions.quickestMs
            guard let micros = since.withLock({ $0.take() }) else { continue }
            let start = SystemClock.monotonicMs()
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
            pauseMs = max(pauseMs, DoubleAdmissions.paceFactor * (SystemClock.monotonicMs() - start))
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
