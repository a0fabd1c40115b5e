import LinuxSystem
import Runtime
import ScanModel
import Synchronization

/// The state of a reader as its lane knows it, and the duration of the current call into its driver.
///
/// The reader's thread and its watchdog share it. The lane receives `lost` and `back` alternately. An event that a full
/// inbox did not accept is sent again at each call of `back`, `lost` or `resend`.
final class ReaderHealth: Sendable {
    /// Interval in milliseconds at which an idle thread sends a pending event again.
    static let resendMs = 250

    private struct State {
        /// `nil` before the first event.
        var isBack: Bool?
        /// The event that the lane has not taken yet.
        var pending: ReaderEvent?
        var call: (sinceMs: Int64, limitMs: Int64)?
        /// Time at which the current call was last reported as stuck.
        var stuckMs: Int64?
    }

    private let state = Mutex(State())
    private let deliver: @Sendable (ReaderEvent) -> Bool
    private let log: Log

    /// - Parameters:
    ///   - log: The log of the reader.
    ///   - deliver: Sends an event to the lane, or returns `false` if it cannot take it. It is called under a lock, so
    ///     that the events keep their order, and must not wait.
    init(log: Log, deliver: @escaping @Sendable (ReaderEvent) -> Bool) {
        (self.log, self.deliver) = (log, deliver)
    }

    /// The reader works.
    func back() {
        state.withLock { state in
            if state.isBack != true {
                (state.isBack, state.pending) = (true, .back)
                log.info("reader is ready")
            }
            send(&state)
        }
    }

    func lost(_ problem: ReaderProblem) {
        state.withLock { state in
            if state.isBack != false {
                (state.isBack, state.pending) = (false, .lost(problem))
                log.warning("reader out of order", [.reason: problem])
            }
            send(&state)
        }
    }

    /// Sends the pending event again.
    ///
    /// - Returns: `true` if no event is pending any more.
    @discardableResult
    func resend() -> Bool { state.withLock { send(&$0) } }

    /// Only the last event is kept, because earlier states are of no use to a lane that was blocked.
    @discardableResult
    private func send(_ state: inout State) -> Bool {
        if let event = state.pending, deliver(event) { state.pending = nil }
        return state.pending == nil
    }

    /// Runs a call into the driver that should end within `limitMs` milliseconds.
    func watch<Result>(limitMs: Int64, _ call: () throws -> Result) rethrows -> Result {
        state.withLock { $0.call = (SystemClock.monotonicMs(), limitMs) }
        defer { state.withLock { ($0.call, $0.stuckMs) = (nil, nil) } }
        return try call()
    }

    /// Returns whether the current call has exceeded its time limit.
    ///
    /// `true` once in each time limit, because an abort has no effect while the driver is not waiting.
    func isStuck(nowMs: Int64) -> Bool {
        state.withLock { state in
            guard let call = state.call, nowMs - (state.stuckMs ?? call.sinceMs) > call.limitMs else { return false }
            state.stuckMs = nowMs
            return true
        }
    }
}
