import Glibc
import LinuxSystem

/// Lines from a descriptor, one at a time. Waits in one poll(2), which the stop signal also ends, and never in read(2).
/// Confined to one thread.
package final class LineInput {
    /// The result of a wait for a line.
    package enum Event: Equatable, Sendable {
        /// A line without its newline; invalid UTF-8 is replaced.
        case line(String)
        /// A line over the limit, which was discarded.
        case tooLong
        /// Nothing arrived in time.
        case idle
        /// There is no line, and the other descriptor is readable.
        case other
        /// The stop signal is set.
        case stopped
        /// The end of the input.
        case end
    }

    private let descriptor: Int32
    private let limitBytes: Int
    private var pending: [UInt8] = []
    /// Bytes at the front of `pending` that were already returned.
    private var taken = 0
    private var isSkipping = false
    private var isAtEnd = false
    /// Whether no line was read yet. A byte order mark before the first one is not part of it.
    private var isFirst = true
    /// Buffer of read(2), kept because clearing 64 KiB for each line would be slow.
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    /// - Parameters:
    ///   - descriptor: an open descriptor; standard input by default.
    ///   - limitBytes: maximum size of a line, in bytes. Longer lines are skipped.
    package init(descriptor: Int32 = 0, limitBytes: Int = 4_096) {
        self.descriptor = descriptor
        self.limitBytes = limitBytes
    }

    /// Waits for the next line.
    ///
    /// A stop has priority over buffered lines, and buffered lines have priority over `other`. The last line may lack
    /// its newline.
    ///
    /// - Parameters:
    ///   - stop: the stop signal.
    ///   - other: a descriptor that also ends the wait, for example that of a mailbox.
    ///   - withinMs: maximum wait, in milliseconds; -1 waits without a limit.
    /// - Returns: the line, or the event that ended the wait.
    /// - Throws: `SystemError` if the descriptor cannot be read.
    package func next(or stop: StopSignal, other: Int32? = nil, withinMs: Int) throws -> Event {
        while true {
            if stop.isStopped { return .stopped }
            if let newline = pending[taken...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = pending[taken..<newline]
                taken = newline + 1
                if isSkipping || line.count > limitBytes {
                    (isSkipping, isFirst) = (false, false)
                    return .tooLong
                }
                return .line(text(line))
            }
            pending.removeFirst(taken)
            taken = 0
            if pending.count > limitBytes {
                pending = []
                isSkipping = true
            }
            if isAtEnd {
                defer { (pending, isSkipping) = ([], false) }
                return isSkipping
                    ? .tooLong : pending.isEmpty ? .end : .line(text(pending[...]))
            }
            let ready = Poll.wait([descriptor, stop.descriptor] + (other.map { [$0] } ?? []), timeoutMs: withinMs)
            guard ready.contains(true) else { return .idle }
            if stop.isStopped { return .stopped }
            if ready[0] { try fill() } else { return .other }
        }
    }

    private func text(_ line: ArraySlice<UInt8>) -> String {
        defer { isFirst = false }
        let hasMark = isFirst && line.starts(with: [0xEF, 0xBB, 0xBF])
        return String(decoding: hasMark ? line.dropFirst(3) : line, as: UTF8.self)
    }

    private func fill() throws {
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 { pending += chunk[..<count] }
        if count == 0 { isAtEnd = true }
        if count < 0 && errno != EINTR && errno != EAGAIN { throw SystemError("read standard input") }
    }
}
