import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Periodic work in one center at a time, on its own thread and connection. An advisory lock selects the center.
struct LeaderJob: Sendable {
    /// Interval at which a standby center tries to take the lock, in milliseconds.
    static let standbyMs = 2_000
    /// Interval at which the running statement is cancelled after the stop signal, in milliseconds. Repeated, because a
    /// cancellation before the statement has begun has no effect.
    static let cancelMs = 200
    /// Limit for one statement, in milliseconds: an index of the largest partition that waits for the longest backup.
    static let statementLimitMs = 6 * 3_600_000

    private let name: String
    private let lockKey: Int64
    private let step: @Sendable (PostgresConnection, StopSignal) throws -> Int

    /// - Parameters:
    ///   - name: name of the service, its thread and its log.
    ///   - lockKey: key of the advisory lock.
    ///   - step: performs the due work and returns the pause until the next call, in milliseconds.
    init(
        _ name: String, lockKey: Int64, step: @escaping @Sendable (PostgresConnection, StopSignal) throws -> Int
    ) {
        self.name = name
        self.lockKey = lockKey
        self.step = step
    }

    /// Returns the service to run. It never throws: a failure is logged once and retried with back-off.
    func service(_ databaseURL: String) -> Service {
        .thread(name) { stop in
            let (backend, ended) = (Backend(), StopSignal())
            defer { ended.stop() }
            NamedThread("\(name)-end") { backend.cancel(databaseURL, when: stop, until: ended) }
            run(databaseURL, backend, stop)
        }
    }

    private func run(_ databaseURL: String, _ backend: Backend, _ stop: StopSignal) {
        let log = Log(name)
        var backoff = Backoff(baseMs: 500, capMs: 30_000)
        var problem: String?
        while !stop.isStopped {
            do {
                let connection = try PostgresConnection(
                    url: databaseURL, statementTimeoutMs: LeaderJob.statementLimitMs,
                    applicationName: "tapline-center \(name)")
                backend.pid.store(try connection.query("SELECT pg_backend_pid()").int(0, 0), ordering: .releasing)
                while try !connection.query("SELECT pg_try_advisory_lock($1)", [.int64(lockKey)]).bool(0, 0) {
                    if stop.wait(ms: LeaderJob.standbyMs) { return }
                }
                while !stop.isStopped {
                    let waitMs = try step(connection, stop)
                    backoff.reset()
                    if problem != nil { log.info("maintenance resumed") }
                    problem = nil
                    stop.wait(ms: waitMs)
                }
            } catch {
                if stop.isStopped { return }
                if problem != "\(error)" { log.warning("maintenance failed, will retry", [.error: "\(error)"]) }
                problem = "\(error)"
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }
}

/// The server process of a job's connection. Its statement is cancelled at the stop signal, so a long one does not
/// delay the stop. An unfinished index is dropped and built again at the next start.
private final class Backend: Sendable {
    let pid = Atomic<Int64>(0)

    func cancel(_ databaseURL: String, when stop: StopSignal, until ended: StopSignal) {
        _ = Poll.wait([stop.descriptor, ended.descriptor], timeoutMs: -1)
        var connection: PostgresConnection?
        while !ended.wait(ms: LeaderJob.cancelMs) {
            if connection == nil {
                connection = try? PostgresConnection(
                    url: databaseURL, statementTimeoutMs: 2_000, applicationName: "tapline-center stop")
            }
            _ = try? connection?.query(
                "SELECT pg_cancel_backend($1)", [.int32(Int32(truncatingIfNeeded: pid.load(ordering: .acquiring)))])
        }
    }
}
