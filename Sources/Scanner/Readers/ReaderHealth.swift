import LinuxSystem
import Runtime
import ScanModel
import Synchronization

/// What a reader has told its lane of itself, and since when a call into its driver lasts.
///
/// Shared by the reader's thread and the one that watches over it. The lane hears `lost` and `back` in turns, whoever of the two
/// finds out. One that the lane could not take, because its mailbox was full, is told again until it can: at each call of
/// `back`, `lost` or `tellAgain`.
final class ReaderHealth: Sendable {
    /// How often a thread that has nothing else to do asks whether the lane still is to be told.
    static let tellAgainMs = 250

    private struct State {
        /// Nil until the first word.
        var isBack: Bool?
        /// What the lane has not taken yet.
        var untold: ReaderEvent?
        var call: (sinceMs: Int64, limitMs: Int64)?
        /// When the present call was last found to be stuck.
        var stuckMs: Int64?
    }

    private let state = Mutex(State())
    private let deliver: @Sendable (ReaderEvent) -> Bool
    private let log: Log

    /// - Parameter deliver: false when it could not take the event; must not wait; called under a lock, so that the events
    ///   keep their order.
    init(log: Log, deliver: @escaping @Sendable (ReaderEvent) -> Bool) {
        (self.log, self.deliver) = (log, deliver)
    }

    /// The reader works.
    func back() {
        state.withLock { state in
            if state.isBack != true {
                (state.isBack, state.untold) = (true, .back)
                log.info("reader is ready")
            }
            tell(&state)
        }
    }

    func lost(_ problem: ReaderProblem) {
        state.withLock { state in
            if state.isBack != false {
                (state.isBack, state.untold) = (false, .lost(problem))
                log.warning("reader out of order", [.reason: problem])
            }
            tell(&state)
        }
    }

    /// Tells the lane what it could not take. True when nothing is left to tell.
    @discardableResult
    func tellAgain() -> Bool { state.withLock { tell(&$0) } }

    /// Only the present state counts: what came in between while the lane stood still is of no use to it.
    @discardableResult
    private func tell(_ state: inout State) -> Bool {
        if let event = state.untold, deliver(event) { state.untold = nil }
        return state.untold == nil
    }

    /// Runs a call into the driver that should end within `limitMs`.
    func watch<Result>(limitMs: Int64, _ call: () throws -> Result) rethrows -> Result {
        state.withLock { $0.call = (SystemClock.monotonicMs(), limitMs) }
        defer { state.withLock { ($0.call, $0.stuckMs) = (nil, nil) } }
        return try call()
    }

    /// Whether the present call has lasted too long: true once in each `limitMs`, since an abort that meets the driver between
    /// two waits is lost.
    func isStuck(nowMs: Int64) -> Bool {
        state.withLock { state in
            guard let call = state.call, nowMs - (state.stuckMs ?? call.sinceMs) > call.limitMs else { return false }
            state.stuckMs = nowMs
            return true
        }
    }
}
