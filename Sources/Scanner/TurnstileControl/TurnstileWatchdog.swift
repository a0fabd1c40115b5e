import LinuxSystem
import Runtime
import SerialPorts
import Synchronization

/// Switches every relay off when the thread that drives them has not said in time that it lives: that thread may hang in a
/// driver, and a turnstile must not stay open for it.
final class TurnstileWatchdog: Sendable {
    private struct State {
        var port: SerialPort?
        var lastBytes: [UInt8] = []
        var deadlineMs = Int64.max
        var hasFired = false
    }

    private let state = Mutex(State())
    /// Looks this often.
    static let everyMs = 100

    /// The port to switch off from now on; nil: none.
    func watch(_ port: SerialPort?, lastBytes: [UInt8]) {
        state.withLock { $0 = State(port: port, lastBytes: lastBytes) }
    }

    /// Something is switched on, and will be looked after before this time (`SystemClock.monotonicMs`); nil: all is off.
    func expect(beforeMs: Int64?) { state.withLock { $0.deadlineMs = beforeMs ?? .max } }

    /// Whether it has switched off since the last call: whoever drives the relays and was only late must know, for what it
    /// takes for pulled is not.
    func hasFired() -> Bool {
        state.withLock { state in
            defer { state.hasFired = false }
            return state.hasFired
        }
    }

    /// Switches off if it is time to. True: it did.
    @discardableResult
    func check(nowMs: Int64) -> Bool {
        let late = state.withLock { state -> (SerialPort, [UInt8])? in
            guard nowMs >= state.deadlineMs, let port = state.port else { return nil }
            state.deadlineMs = nowMs + 1_000
            return (port, state.lastBytes)
        }
        guard let (port, bytes) = late else { return false }
        try? port.write(bytes)
        // After the write, so that what is switched on for it comes after these bytes; and without the lock during it, so that
        // a driver that hangs for this thread does not hang the other one as well.
        state.withLock { if $0.port === port { $0.hasFired = true } }
        return true
    }

    /// Until `stop`, on a thread of its own.
    func run(until stop: StopSignal) {
        let log = Log("turnstile")
        while !stop.wait(ms: TurnstileWatchdog.everyMs) {
            if check(nowMs: SystemClock.monotonicMs()) {
                log.error("the turnstile's thread hangs: relays switched off")
            }
        }
    }
}
