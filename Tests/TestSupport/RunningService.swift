import LinuxSystem
package import Runtime
import Synchronization

/// Runs a service on its own thread until it is stopped or released.
///
/// Blocking tests may occupy all threads of the cooperative pool, of which there is one per core. A service on the pool
/// would then not start before they time out.
package final class RunningService: Sendable {
    private final class Outcome: Sendable {
        let ended = StopSignal()
        let failure = Mutex<(any Error)?>(nil)
    }

    private let signal = StopSignal()
    private let outcome = Outcome()

    package init(_ service: Service) {
        let (signal, outcome, executor) = (signal, outcome, ThreadExecutor())
        executor.start()
        Task(executorPreference: executor) {
            do { try await service.run(signal) } catch { outcome.failure.withLock { $0 = error } }
            executor.end()
            outcome.ended.stop()
        }
    }

    deinit { signal.stop() }

    /// Gives the stop signal and does not wait.
    package func stop() { signal.stop() }

    /// Waits until the service has ended.
    ///
    /// - Returns: the error that ended it.
    /// - Throws: `TestFailure` if it does not end within `waitLimitMs`.
    package func waitForEnd() throws -> (any Error)? {
        guard outcome.ended.wait(ms: waitLimitMs) else {
            throw TestFailure("the service did not end within \(waitLimitMs) ms")
        }
        return outcome.failure.withLock { $0 }
    }

    /// Stops the service and waits for its end.
    ///
    /// - Throws: the error that ended it, or `TestFailure` if it does not end within `waitLimitMs`.
    package func end() throws {
        stop()
        if let error = try waitForEnd() { throw error }
    }
}

/// Runs the jobs of a task on one thread.
private final class ThreadExecutor: TaskExecutor {
    private let jobs = Mailbox<UnownedJob>(capacity: 64)
    private let ended = StopSignal()

    func start() {
        NamedThread("service") { [self] in
            while !ended.isStopped {
                _ = Poll.wait([jobs.descriptor, ended.descriptor], timeoutMs: -1)
                for job in jobs.drain() { job.runSynchronously(on: asUnownedTaskExecutor()) }
            }
        }
    }

    func end() { ended.stop() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        precondition(jobs.send(job), "more than 64 jobs are waiting")
    }
}
