internal import CLinux
import Glibc
import Synchronization

/// Told once, seen by everybody: threads look at `isStopped`, poll(2) loops wait on `descriptor`, tasks await `stopped()`.
public final class StopSignal: Sendable {
    private struct State {
        var stopped = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())
    private let flag = Atomic(false)
    /// Readable (and never drained) once stopped.
    public let descriptor: Int32

    public init() {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    public var isStopped: Bool { flag.load(ordering: .acquiring) }

    public func stop() {
        let waiters = state.withLock { state in
            state.stopped = true
            defer { state.waiters = [] }
            return state.waiters
        }
        flag.store(true, ordering: .releasing)
        eventfd_write(descriptor, 1)
        for waiter in waiters { waiter.resume() }
    }

    public func stopped() async {
        await withCheckedContinuation { continuation in
            let done = state.withLock { state in
                if !state.stopped { state.waiters.append(continuation) }
                return state.stopped
            }
            if done { continuation.resume() }
        }
    }

    /// Sleeps at most `ms` milliseconds; returns at once, with true, when stopped.
    @discardableResult
    public func wait(ms: Int) -> Bool {
        if isStopped { return true }
        _ = Poll.wait([descriptor], timeoutMs: ms)
        return isStopped
    }
}
