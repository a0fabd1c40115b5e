import Glibc

/// poll(2) for reading, restarted after signals.
public enum Poll {
    /// Which of `descriptors` are readable (or hung up) after at most `timeoutMs`; -1 waits for ever.
    public static func wait(_ descriptors: [Int32], timeoutMs: Int) -> [Bool] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let deadline = SystemClock.monotonicMs() + Int64(Int32(clamping: max(0, timeoutMs)))
        while true {
            let left = timeoutMs < 0 ? -1 : max(0, deadline - SystemClock.monotonicMs())
            let count = poll(&entries, nfds_t(entries.count), Int32(clamping: left))
            if count < 0 && errno == EINTR { continue }
            return entries.map { $0.revents != 0 }
        }
    }
}
