import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A stop request, which is set once. Threads read `isStopped`, poll(2) loops wait on `descriptor`, tasks await
/// `stopped()`.
package final class StopSignal: Sendable {
    private let flag = Atomic(false)
    private let waiters = OneShotEvent()
    /// For poll(2): readable after `stop`.
    package let descriptor: Int32

    /// Creates a signal that is not set. Needs a free descriptor (precondition).
    package init() {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    /// Whether `stop` was called.
    package var isStopped: Bool { flag.load(ordering: .acquiring) }

    /// Sets the signal. Thread-safe; further calls have no effect.
    package func stop() {
        flag.store(true, ordering: .releasing)
        eventfd_write(descriptor, 1)
        waiters.release()
    }

    /// Suspends until `stop` is called.
    package func stopped() async { await waiters.wait() }

    /// Blocks the thread until `stop` is called.
    ///
    /// - Parameter ms: maximum wait, in milliseconds; -1 waits without a limit.
    /// - Returns: whether `stop` was called.
    @discardableResult
    package func wait(ms: Int) -> Bool {
        if isStopped { return true }
        _ = Poll.wait([descriptor], timeoutMs: ms)
        return isStopped
    }
}
