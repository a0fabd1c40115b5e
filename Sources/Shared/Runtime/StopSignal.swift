internal import CLinux
import Glibc
import Synchronization

/// Told once, seen by everybody: threads look at `isStopped`, poll(2) loops wait on `descriptor`, tasks await `stopped()`.
public final class StopSignal: Sendable {
    private let flag = Atomic(false)
    private let waiters = Waiters()
    /// Readable (and never drained) once stopped.
    public let descriptor: Int32

    public init() {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    public var isStopped: Bool { flag.load(ordering: .acquiring) }

    public func stop() {
        flag.store(true, ordering: .releasing)
        eventfd_write(descriptor, 1)
        waiters.release()
    }

    public func stopped() async { await waiters.wait() }

    /// Sleeps at most `ms` milliseconds; returns at once, with true, when stopped.
    @discardableResult
    public func wait(ms: Int) -> Bool {
        if isStopped { return true }
        _ = Poll.wait([descriptor], timeoutMs: ms)
        return isStopped
    }
}
