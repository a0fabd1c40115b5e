internal import CLinux
import Glibc
import Synchronization

/// A part of a daemon that runs until it is told to stop.
///
/// `run` returns once `stop` was signalled and its work is put away; returning earlier ends a `oneShot` service well and any
/// other with an error. Throwing ends the daemon.
public struct Service: Sendable {
    public let name: String
    let run: @Sendable (StopSignal) async throws -> Void

    public init(_ name: String, run: @escaping @Sendable (StopSignal) async throws -> Void) {
        self.name = name
        self.run = run
    }

    /// A service that is a blocking loop on a thread of its own.
    public static func thread(_ name: String, _ body: @escaping @Sendable (StopSignal) throws -> Void) -> Service {
        Service(name) { stop in try await PlainThread.run(name) { try body(stop) } }
    }
}

/// Runs services: started in order, stopped in reverse order, each within `shutdownMs`, on SIGTERM, SIGINT or the end of any.
///
/// Graceful stop is not cancellation: a service learns of it by its `StopSignal` and finishes what it holds. One that has not
/// ended after `shutdownMs` is given up: the process leaves with code 1, and what was durable is what counts.
public struct ServiceGroup: Sendable {
    private let services: [Service]
    private let shutdownMs: Int
    private let log = Log("services")

    public init(_ services: [Service], shutdownMs: Int = 10_000) {
        self.services = services
        self.shutdownMs = shutdownMs
    }

    private enum Event: Sendable {
        case ended(Int, (any Error)?)
        case signal(Int32)
    }

    /// Returns when all services have ended. Throws the first error of a service.
    public func run() async throws {
        let (events, feed) = AsyncStream.makeStream(of: Event.self)
        let signals = SignalWatch { feed.yield(.signal($0)) }
        defer { signals.end() }
        let stops = services.map { _ in StopSignal() }
        for (index, service) in services.enumerated() {
            let stop = stops[index]
            Task {
                do {
                    try await service.run(stop)
                    feed.yield(.ended(index, nil))
                } catch {
                    feed.yield(.ended(index, error))
                }
            }
        }
        var running = Set(services.indices)
        var failure: (any Error)?
        var watchdog: PlainThread?
        var stopping = false

        func stopLast() {
            stopping = true
            guard let last = running.max(), !stops[last].isStopped else { return }
            stops[last].stop()
            let (name, limit) = (services[last].name, shutdownMs)
            let ended = finished[last]
            watchdog = PlainThread("shutdown-limit") {
                if !ended.wait(ms: limit) {
                    log.error("service did not stop in time", [.service: name, .durationMs: limit])
                    _exit(ExitCode.failed.rawValue)
                }
            }
        }
        let finished = services.map { _ in StopSignal() }
        for await event in events {
            switch event {
            case .signal(let number):
                log.info("stopping", [.signal: number])
                stopLast()
            case .ended(let index, let error):
                running.remove(index)
                finished[index].stop()
                if let error {
                    log.error("service failed", [.service: services[index].name, .error: "\(error)"])
                    failure = failure ?? error
                }
                if running.isEmpty { feed.finish() } else { stopLast() }
            }
        }
        _ = (watchdog, stopping)
        if let failure { throw failure }
    }
}

/// SIGTERM and SIGINT as calls on a thread of their own; SIGPIPE is ignored. A second signal while the first is being
/// obeyed is heard as well.
public final class SignalWatch: Sendable {
    private let ended = Atomic(false)

    public init(_ handler: @escaping @Sendable (Int32) -> Void) {
        signal(SIGPIPE, SIG_IGN)
        SignalWatch.pipe.withLock { pipe in
            if pipe < 0 { pipe = SignalWatch.install() }
        }
        PlainThread("signals") { [self] in
            let descriptor = SignalWatch.pipe.withLock { $0 }
            while !ended.load(ordering: .acquiring) {
                guard Poll.wait([descriptor], timeoutMs: 100)[0] else { continue }
                var value: eventfd_t = 0
                guard eventfd_read(descriptor, &value) == 0 else { continue }
                if value >> 32 != 0 { handler(SIGINT) } else { handler(SIGTERM) }
            }
        }
    }

    public func end() { ended.store(true, ordering: .releasing) }

    // A handler may only do what is async-signal-safe: write(2) on an eventfd, SIGINT in the upper half of the sum.
    private static let pipe = Mutex<Int32>(-1)
    private static let descriptor = Atomic<Int32>(-1)

    private static func install() -> Int32 {
        let number = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        descriptor.store(number, ordering: .releasing)
        for code in [SIGTERM, SIGINT] {
            signal(code) { code in
                var value: UInt64 = code == SIGINT ? 1 << 32 : 1
                write(SignalWatch.descriptor.load(ordering: .acquiring), &value, 8)
            }
        }
        return number
    }
}
