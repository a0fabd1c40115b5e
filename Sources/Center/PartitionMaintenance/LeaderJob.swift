import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Work that comes again and again, on a thread and a connection of its own, in one center at a time.
struct LeaderJob: Sendable {
    /// How often a center that stands by asks for the lock.
    static let standbyMs = 2_000
    /// How often a statement is cancelled once the daemon stops: the first may come before it has begun.
    static let cancelMs = 200
    /// No statement takes longer: an index of the largest partition, behind the longest backup.
    static let statementLimitMs = 6 * 3_600_000

    private let name: String
    private let lockKey: Int64
    private let step: @Sendable (PostgresConnection, StopSignal) throws -> Int

    /// - Parameters:
    ///   - lockKey: of the advisory lock that says whose turn it is.
    ///   - step: does what is to be done; gives the milliseconds until it is asked again.
    init(
        _ name: String, lockKey: Int64, step: @escaping @Sendable (PostgresConnection, StopSignal) throws -> Int
    ) {
        (self.name, self.lockKey, self.step) = (name, lockKey, step)
    }

    /// It never fails: what goes wrong is logged once and tried again.
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
                    if problem != nil { log.info("at work again") }
                    problem = nil
                    stop.wait(ms: waitMs)
                }
            } catch {
                if stop.isStopped { return }
                if problem != "\(error)" { log.warning("maintenance waits", [.error: "\(error)"]) }
                problem = "\(error)"
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }
}

/// The server's side of the connection, so that a long statement is ended with the daemon. An index that was not finished
/// is made anew the next time.
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
