import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A part of a daemon that runs until it is told to stop.
///
/// `run` returns once `stop` was signalled and its work is put away. Returning earlier stops the daemon too, without an
/// error (the gate's standard input ended); throwing stops it with one.
package struct Service: Sendable {
    package let name: String
    let run: @Sendable (StopSignal) async throws -> Void

    package init(_ name: String, run: @escaping @Sendable (StopSignal) async throws -> Void) {
        self.name = name
        self.run = run
    }

    /// A service that is a blocking loop on a thread of its own.
    package static func thread(_ name: String, _ body: @escaping @Sendable (StopSignal) throws -> Void) -> Service {
        Service(name) { stop in try await NamedThread.run(name) { try body(stop) } }
    }
}

/// Runs services: started in order, stopped in reverse order, each within `shutdownMs`, on SIGTERM, SIGINT or the end of any.
///
/// Graceful stop is not cancellation: a service learns of it by its `StopSignal` and finishes what it holds. One that has not
/// ended after `shutdownMs` is given up: the process leaves with code 1, and what was durable is what counts.
package struct ServiceGroup: Sendable {
    private let services: [Service]
    private let shutdownMs: Int
    private let log = Log("services")
    /// Exit status of a process that abandons a service: "failed" in contract.md section 8.
    private static let abandonedExitStatus: Int32 = 1

    package init(_ services: [Service], shutdownMs: Int = 10_000) {
        self.services = services
        self.shutdownMs = shutdownMs
    }

    private enum Event: Sendable {
        case ended(Int, (any Error)?)
        case signal(Int32)
    }

    /// One service while it runs: told by `stop`, known to be over by `ended`.
    private struct Running: Sendable {
        let service: Service
        let stop = StopSignal()
        let ended = StopSignal()

        /// The error it ended with.
        func end() async -> (any Error)? {
            defer { ended.stop() }
            do {
                try await service.run(stop)
                return nil
            } catch { return error }
        }
    }

    /// Returns when all services have ended. Throws the first error of a service.
    package func run() async throws {
        guard !services.isEmpty else { return }
        let (events, feed) = AsyncStream.makeStream(of: Event.self)
        let signals = SignalWatch { feed.yield(.signal($0)) }
        defer { signals.end() }
        let all = services.map { Running(service: $0) }
        for (index, one) in all.enumerated() {
            // Immediate: runs here until the service first suspends, so that they start in order.
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
            // Whatever happened, from here on all go, the last first.
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

/// SIGTERM and SIGINT as calls on a thread of their own; SIGPIPE is ignored. A second signal while the first is being
/// obeyed is heard as well.
package final class SignalWatch: Sendable {
    private let ended = StopSignal()

    package init(_ handler: @escaping @Sendable (Int32) -> Void) {
        NamedThread("signals") { [source = SignalWatch.source, ended] in
            while true {
                _ = Poll.wait([source, ended.descriptor], timeoutMs: -1)
                // Before the read: a signal that comes later is for the next watch.
                if ended.isStopped { return }
                var value: eventfd_t = 0
                guard eventfd_read(source, &value) == 0 else { continue }
                handler(value >> 32 != 0 ? SIGINT : SIGTERM)
            }
        }
    }

    deinit { ended.stop() }

    package func end() { ended.stop() }

    // A handler may only do what is async-signal-safe: write(2) on an eventfd, SIGINT in the upper half of the sum. It
    // reads the number from an atomic, because a lazy global that is still being made would lock up.
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
