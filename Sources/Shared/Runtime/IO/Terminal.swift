import CLinux
import Glibc
import LinuxSystem

/// The terminal behind a descriptor, or a pipe in its place.
package final class Terminal: Sendable {
    private let descriptor: Int32
    /// A separate non-blocking file description of the terminal; that of `descriptor` is shared with the shell and must
    /// not change. The same as `descriptor` for a pipe.
    private let output: Int32

    /// Opens the terminal behind a descriptor.
    ///
    /// - Parameter descriptor: an open descriptor of a terminal or a pipe. It must stay open and is not closed.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        let path = "/proc/self/fd/\(descriptor)"
        let own = isatty(descriptor) == 1 ? open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1
        output = own >= 0 ? own : descriptor
    }

    deinit { if output != descriptor { close(output) } }

    /// Rows and columns; `nil` if they are unknown.
    package var size: (rows: Int, columns: Int)? {
        var (rows, columns): (Int32, Int32) = (0, 0)
        guard shim_terminal_size(descriptor, &rows, &columns) != 0 else { return nil }
        return (Int(rows), Int(columns))
    }

    /// Writes a text. A terminal paused with Ctrl-S does not block beyond the time-out.
    ///
    /// - Parameters:
    ///   - text: the text.
    ///   - timeoutMs: maximum wait for space, in milliseconds; -1 waits without a limit.
    ///   - stop: a stop signal that ends the wait.
    /// - Throws: `SystemError`: ETIMEDOUT after a time-out or a stop, EIO or EPIPE if the terminal or reader is gone.
    package func write(_ text: String, timeoutMs: Int = 500, until stop: StopSignal? = nil) throws {
        let deadline = SystemClock.monotonicMs() + Int64(max(0, timeoutMs))
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var entries = [pollfd(fd: output, events: Int16(POLLOUT), revents: 0)]
            if let stop { entries.append(pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)) }
            let left = timeoutMs < 0 ? -1 : max(0, deadline - SystemClock.monotonicMs())
            if poll(&entries, nfds_t(entries.count), Int32(left)) < 0 && errno == EINTR { continue }
            guard entries[0].revents != 0, left != 0 else {
                throw SystemError("write to the terminal", code: ETIMEDOUT)
            }
            // A writable pipe accepts this size without blocking.
            let count = rest.prefix(Terminal.pieceBytes).withUnsafeBytes {
                Glibc.write(output, $0.baseAddress!, $0.count)
            }
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            guard count > 0 else { throw SystemError("write to the terminal") }
            rest = rest.dropFirst(count)
        }
    }

    private static let pieceBytes = 512
}
