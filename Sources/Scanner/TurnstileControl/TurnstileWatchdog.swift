import LinuxSystem
import Runtime
import SerialPorts
import Synchronization

/// Switches all relays off when the thread that drives them misses its deadline.
///
/// That thread may hang in a driver, and the turnstile must not stay open then.
final class TurnstileWatchdog: Sendable {
    private struct State {
        var port: SerialPort?
        var lastBytes: [UInt8] = []
        var deadlineMs = Int64.max
        var hasFired = false
    }

    private let state = Mutex(State())
    /// Interval between two checks, in milliseconds.
    static let everyMs = 100
    /// Interval between two attempts to switch off, in milliseconds.
    static let repeatMs: Int64 = 1_000

    /// Sets the port that is switched off, and ends the deadline.
    ///
    /// - Parameters:
    ///   - port: `nil` for none.
    ///   - lastBytes: the commands that switch all relays off.
    func watch(_ port: SerialPort?, lastBytes: [UInt8]) {
        state.withLock { $0 = State(port: port, lastBytes: lastBytes) }
    }

    /// Sets the deadline by `SystemClock.monotonicMs`; `nil` if all relays are off.
    func expect(beforeMs: Int64?) { state.withLock { $0.deadlineMs = beforeMs ?? .max } }

    /// Whether the watchdog has switched off since the last call. The thread that drives the relays was only late then,
    /// and its own state is wrong.
    func hasFired() -> Bool {
        state.withLock { state in
            defer { state.hasFired = false }
            return state.hasFired
        }
    }

    /// Switches off if the deadline has been reached.
    ///
    /// - Returns: `true` if it did.
    @discardableResult
    func check(nowMs: Int64) -> Bool {
        let late = state.withLock { state -> (SerialPort, [UInt8])? in
            guard nowMs >= state.deadlineMs, let port = state.port else { return nil }
            state.deadlineMs = nowMs + TurnstileWatchdog.repeatMs
            return (port, state.lastBytes)
        }
        guard let (port, bytes) = late else { return false }
        try? port.write(bytes)
        // After the write, so that the driving thread's next commands follow these bytes. Without the lock during the
        // write, so that a driver that hangs here does not block the other thread.
        state.withLock { if $0.port === port { $0.hasFired = true } }
        return true
    }

    /// Checks until `stop` is set.
    func run(until stop: StopSignal) {
        let log = Log("turnstile")
        while !stop.wait(ms: TurnstileWatchdog.everyMs) {
            if check(nowMs: SystemClock.monotonicMs()) { log.error("turnstile thread hangs, relays switched off") }
        }
    }
}
