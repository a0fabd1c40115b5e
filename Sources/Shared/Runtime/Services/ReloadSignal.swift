import CLinux
import Glibc
import Synchronization

/// SIGHUP as the request to read files again. Without this watch the signal ends the process.
package enum ReloadSignal {
    /// Starts the watch at its first use. For poll(2): readable after SIGHUP, until `take`.
    package static var descriptor: Int32 { source }

    /// Returns whether SIGHUP has arrived since the last call.
    package static func take() -> Bool {
        var value: eventfd_t = 0
        return eventfd_read(source, &value) == 0
    }

    // As in SignalWatch: the handler may use async-signal-safe calls and an atomic only.
    private static let target = Atomic<Int32>(-1)
    private static let source = install()

    private static func install() -> Int32 {
        let number = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(number >= 0, "eventfd: out of file descriptors")
        target.store(number, ordering: .releasing)
        signal(SIGHUP) { _ in
            var value: UInt64 = 1
            write(ReloadSignal.target.load(ordering: .acquiring), &value, 8)
        }
        return number
    }
}
