import Glibc

/// poll(2), restarted after signals.
package enum Poll {
    /// Waits until a descriptor is readable or hung up.
    ///
    /// - Parameters:
    ///   - descriptors: open descriptors.
    ///   - timeoutMs: maximum wait, in milliseconds; -1 waits without a limit.
    /// - Returns: for each descriptor, whether it is readable or hung up.
    package static func wait(_ descriptors: [Int32], timeoutMs: Int) -> [Bool] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let deadline = SystemClock.monotonicMs() + Int64(Int32(clamping: max(0, timeoutMs)))
        while true {
            let left = timeoutMs < 0 ? -1 : max(0, deadline - SystemClock.monotonicMs())
            let count = poll(&entries, nfds_t(entries.count), Int32(clamping: left))
            if count < 0 && errno == EINTR { continue }
            return entries.map { $0.revents != 0 }
        }
    }

    /// Waits for an event of one descriptor.
    ///
    /// - Parameters:
    ///   - descriptor: an open descriptor.
    ///   - event: POLLIN or POLLOUT.
    ///   - deadline: the monotonic clock in milliseconds at which the wait ends.
    ///   - operation: the operation and its object, for the error.
    /// - Throws: `SystemError` with ETIMEDOUT.
    static func wait(
        _ descriptor: Int32, for event: Int32, until deadline: Int64, _ operation: String
    ) throws(SystemError) {
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        while true {
            let count = poll(&entry, 1, Int32(clamping: max(0, deadline - SystemClock.monotonicMs())))
            if count > 0 { return }
            guard count < 0, errno == EINTR else { throw SystemError(operation, code: ETIMEDOUT) }
        }
    }

    /// Waits until a write of up to PIPE_BUF bytes would not block, or until `other` is readable.
    ///
    /// - Parameters:
    ///   - descriptor: the descriptor to write to.
    ///   - other: a descriptor that ends the wait.
    /// - Returns: whether a write would not block.
    package static func isWritable(_ descriptor: Int32, or other: Int32) -> Bool {
        isWritable(descriptor, other, timeoutMs: -1)
    }

    /// Returns whether a write of up to PIPE_BUF bytes would not block. Never waits.
    package static func isWritable(_ descriptor: Int32) -> Bool { isWritable(descriptor, -1, timeoutMs: 0) }

    private static func isWritable(_ descriptor: Int32, _ other: Int32, timeoutMs: Int32) -> Bool {
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&entries, nfds_t(entries.count), timeoutMs) < 0 {
            guard errno == EINTR else { return false }
        }
        // Also `true` if the reader has closed: the write then fails immediately.
        return entries[0].revents != 0
    }
}
