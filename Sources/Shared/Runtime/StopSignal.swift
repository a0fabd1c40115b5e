import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// Told once, seen by everybody: threads look at `isStopped`, poll(2) loops wait on `descriptor`, tasks await `stopped()`.
package final class StopSignal: Sendable {
    private let flag = Atomic(false)
    private let waiters = OneShotEvent()
    /// Readable (and never drained) once stopped.
    package let descriptor: Int32

    package init() {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    package var isStopped: Bool { flag.load(ordering: .acquiring) }

    package func stop() {
        flag.store(true, ordering: .releasing)
        eventfd_write(descriptor, 1)
        waiters.release()
    }

    package func stopped() async { await waiters.wait() }

    /// Sleeps at most `ms` milliseconds; returns at once, with true, when stopped.
    @discardableResult
    package func wait(ms: Int) -> Bool {
        if isStopped { return true }
        _ = Poll.wait([descriptor], timeoutMs: ms)
        return isStopped
    }
}
