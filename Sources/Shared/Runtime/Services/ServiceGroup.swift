import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A component of a daemon that runs until its stop signal.
///
/// `run` returns after the stop signal, when its work is finished. If it returns earlier, the daemon stops without an
/// error, for example at the end of the gate's standard input. If it throws, the daemon stops with that error.
package struct Service: Sendable {
    /// Name of the component in the log.
    package let name: String
    /// The work, which returns after the stop signal.
    package let run: @Sendable (StopSignal) async throws -> Void

    /// - Parameters:
    ///   - name: name in the log.
    ///   - run: the work, which returns after the stop signal.
    package init(_ name: String, run: @escaping @Sendable (StopSignal) async throws -> Void) {
        self.name = name
        self.run = run
    }

    /// Creates a service that runs a blocking loop on a new thread.
    ///
    /// - Parameters:
    ///   - name: name in the log.
    ///   - stackBytes: size of the thread's stack, in bytes.
    ///   - body: the loop, which returns after the stop signal.
    package static func thread(
        _ name: String, stackBytes: Int = NamedThread.usualStackBytes,
        _ body: @escaping @Sendable (StopSignal) throws -> Void
    ) -> Service {
        Service(name) { stop in try await NamedThread.run(name, stackBytes: stackBytes) { try body(stop) } }
    }
}

/// Runs services: starts them in order, and stops them in reverse order after SIGTERM, SIGINT or the end of any
/// service.
///
/// A stop is not a cancellation: the stop signal of a service is set, and the service finishes its work. If it has not
/// ended after `shutdownMs`, the process exits with status 1.
package struct ServiceGroup: Sendable {
    private let services: [Service]
    private let shutdownMs: Int
    private let log = Log("services")
    /// Exit status of a process that abandons a service: "failed" in contract.md section 8.
    private static let abandonedExitStatus: Int32 = 1

    /// - Parameters:
    ///   - services: the services, in the order of their start.
    ///   - shutdownMs: maximum time for the end of each service after its stop signal, in milliseconds.
    package init(_ services: [Service], shutdownMs: Int = 10_000) {
        self.services = services
        self.shutdownMs = shutdownMs
    }

    private enum Event: Sendable {
        case ended(Int, (any Error)?)
        case signal(Int32)
    }

    /// A running service: `stop` asks it to stop, `ended` is set at its end.
    private struct Running: Sendable {
        let service: Service
        let stop = StopSignal()
        let ended = StopSignal()

        /// Runs the service and returns its error.
        func end() async -> (any Error)? {
            defer { ended.stop() }
            do {
                try await service.run(stop)
                return nil
            } catch { return error }
        }
    }

    /// Runs all services to their end.
    ///
    /// - Throws: the first error of a service.
    package func run() async throws {
        guard !services.isEmpty else { return }
        let (events, feed) = AsyncStream.makeStream(of: Event.self)
        let signals = SignalWatch { feed.yield(.signal($0)) }
        defer { signals.end() }
        let all = services.map { Running(service: $0) }
        for (index, one) in all.enumerated() {
            // Immediate: runs on this thread until the service first suspends, so that the services start in order.
            Task.immediate { feed.yield(.ended(index, await one.end())) }
        }
        var running = Set(all.indices)
        var failure: (any Error)?
        for await event in events {
            switch event {
            case .signal(let number): log.info("stopping", [.signal: number])
            case .ended(let index, let error):
                running.remove(index)
                if let error {
                    log.error("service failed", [.service: all[index].service.name, .error: "\(error)"])
                    failure = failure ?? error
                } else if !all[index].stop.isStopped {
                    log.info("service ended", [.service: all[index].service.name])
                }
            }
            // Each event stops all services, the last one first.
            guard let last = running.max() else { break }
            if !all[last].stop.isStopped { stop(all[last]) }
        }
        if let failure { throw failure }
    }

    private func stop(_ one: Running) {
        one.stop.stop()
        NamedThread("shutdown-limit") { [shutdownMs, log] in
            if one.ended.wait(ms: shutdownMs) { return }
            log.error("service did not stop in time", [.service: one.service.name, .durationMs: shutdownMs])
            _exit(ServiceGroup.abandonedExitStatus)
        }
    }
}

/// Calls a handler on a separate thread for each SIGTERM and SIGINT, until `end`. SIGPIPE is ignored.
package final class SignalWatch: Sendable {
    private let ended = StopSignal()

    /// Starts the thread. Call `end` before a second watch starts.
    ///
    /// - Parameter handler: called on that thread with SIGTERM or SIGINT.
    package init(_ handler: @escaping @Sendable (Int32) -> Void) {
        NamedThread("signals") { [source = SignalWatch.source, ended] in
            while true {
                _ = Poll.wait([source, ended.descriptor], timeoutMs: -1)
                // Before the read: a later signal belongs to the next watch.
                if ended.isStopped { return }
                var value: eventfd_t = 0
                guard eventfd_read(source, &value) == 0 else { continue }
                handler(value >> 32 != 0 ? SIGINT : SIGTERM)
            }
        }
    }

    deinit { ended.stop() }

    /// Ends the thread. Later signals go to the next watch; they do not end the process.
    package func end() { ended.stop() }

    // A signal handler may use async-signal-safe calls only. It writes to an eventfd; SIGINT counts in the upper half
    // of the sum. It reads the descriptor from an atomic, because the initialization of a lazy global could deadlock.
    private static let descriptor = Atomic<Int32>(-1)
    private static let source = install()

    private static func install() -> Int32 {
        let number = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(number >= 0, "eventfd: out of file descriptors")
        descriptor.store(number, ordering: .releasing)
        signal(SIGPIPE, SIG_IGN)
        for code in [SIGTERM, SIGINT] {
            signal(code) { code in
                var value: UInt64 = code == SIGINT ? 1 << 32 : 1
                write(SignalWatch.descriptor.load(ordering: .acquiring), &value, 8)
            }
        }
        return number
    }
}
