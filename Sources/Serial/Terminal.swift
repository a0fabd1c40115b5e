internal import CLinux
import Glibc
internal import Runtime

/// The screen that a descriptor leads to.
public struct Terminal: Sendable {
    public let descriptor: Int32

    public init(descriptor: Int32) { self.descriptor = descriptor }

    public var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Rows and columns; nil where it does not know.
    public var size: (rows: Int, columns: Int)? {
        var (rows, columns): (Int32, Int32) = (0, 0)
        guard shim_terminal_size(descriptor, &rows, &columns) != 0 else { return nil }
        return (Int(rows), Int(columns))
    }

    /// Waits at most `timeoutMs` in all; a terminal that was stopped (Ctrl-S) keeps nobody. Throws `SystemError`: ETIMEDOUT, or
    /// EIO when it is gone.
    public func write(_ text: String, timeoutMs: Int = 500) throws {
        let deadline = SystemClock.monotonicMs() + Int64(timeoutMs)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let left = deadline - SystemClock.monotonicMs()
            guard left > 0, poll(&entry, 1, Int32(left)) > 0 else {
                throw SystemError("write to the screen", code: ETIMEDOUT)
            }
            // Small pieces: poll(2) promises room for some bytes only, and the descriptor is shared with the shell, so it stays
            // one that blocks.
            let count = rest.prefix(Terminal.pieceBytes).withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress!, $0.count)
            }
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            guard count > 0 else { throw SystemError("write to the screen") }
            rest = rest.dropFirst(count)
        }
    }

    private static let pieceBytes = 512
}
