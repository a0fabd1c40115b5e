internal import Runtime
internal import Scans
internal import Synchronization

/// What a reader has told its lane of itself, and since when a call into its driver lasts.
///
/// Shared by the reader's thread and the one that watches over it. The lane hears `lost` and `back` in turns, whoever of the two
/// finds out.
final class ReaderHealth: Sendable {
    private struct State {
        var isBack: Bool?
        var call: (sinceMs: Int64, limitMs: Int64)?
        var isAborted = false
    }

    private let state = Mutex(State())
    private let deliver: @Sendable (ReaderEvent) -> Void
    private let log: Log

    /// - Parameter deliver: must not wait; called under a lock, so that the events keep their order.
    init(log: Log, deliver: @escaping @Sendable (ReaderEvent) -> Void) {
        (self.log, self.deliver) = (log, deliver)
    }

    /// The reader works.
    func back() {
        state.withLock { state in
            if state.isBack == true { return }
            state.isBack = true
            log.info("reader is ready")
            deliver(.back)
        }
    }

    func lost(_ reason: String) {
        state.withLock { state in
            if state.isBack == false { return }
            state.isBack = false
            log.warning("reader out of order", [.reason: reason])
            deliver(.lost(reason: reason))
        }
    }

    /// Runs a call into the driver that should end within `limitMs`.
    func watch<Result>(limitMs: Int64, _ call: () throws -> Result) rethrows -> Result {
        state.withLock { $0.call = (SystemClock.monotonicMs(), limitMs) }
        defer {
            state.withLock {
                $0.call = nil
                $0.isAborted = false
            }
        }
        return try call()
    }

    /// Whether the present call has lasted too long and nobody has said so yet: true once a call.
    func isStuck(nowMs: Int64) -> Bool {
        state.withLock { state in
            guard let call = state.call, !state.isAborted, nowMs - call.sinceMs > call.limitMs else { return false }
            state.isAborted = true
            return true
        }
    }
}
