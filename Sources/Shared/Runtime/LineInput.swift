import Glibc
import LinuxSystem

/// Lines from a descriptor, one at a time, without sleeping in read(2): the wait is one poll(2) that also hears the stop.
/// Confined to one thread.
package final class LineInput {
    package enum Event: Equatable, Sendable {
        /// Without its newline; bytes that are not UTF-8 are replaced.
        case line(String)
        /// A line over the limit; what it held is gone.
        case tooLong
        /// Nothing came within the time.
        case idle
        /// No line is there, but the other descriptor has become readable.
        case other
        case stopped
        case end
    }

    private let descriptor: Int32
    private let limitBytes: Int
    private var pending: [UInt8] = []
    /// Bytes at the front of `pending` that were given out.
    private var taken = 0
    private var isSkipping = false
    private var isAtEnd = false
    /// Where read(2) puts what it gets; kept, or each line would cost 64 KiB of zeroes.
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    /// - Parameter limitBytes: of a line; what is longer is read past, not kept.
    package init(descriptor: Int32 = 0, limitBytes: Int = 4_096) {
        (self.descriptor, self.limitBytes) = (descriptor, limitBytes)
    }

    /// The next line, or what came instead. A stop goes first, also before lines that were read already; the last line needs
    /// no newline. Throws `SystemError` when the descriptor cannot be read.
    /// - Parameter other: a descriptor that ends the wait, a mailbox perhaps; lines that were read already go before it.
    package func next(or stop: StopSignal, other: Int32? = nil, withinMs: Int) throws -> Event {
        while true {
            if stop.isStopped { return .stopped }
            if let newline = pending[taken...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = pending[taken..<newline]
                taken = newline + 1
                if isSkipping || line.count > limitBytes {
                    isSkipping = false
                    return .tooLong
                }
                return .line(String(decoding: line, as: UTF8.self))
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
                    ? .tooLong : pending.isEmpty ? .end : .line(String(decoding: pending, as: UTF8.self))
            }
            let ready = Poll.wait([descriptor, stop.descriptor] + (other.map { [$0] } ?? []), timeoutMs: withinMs)
            guard ready.contains(true) else { return .idle }
            if stop.isStopped { return .stopped }
            if ready[0] { try fill() } else { return .other }
        }
    }

    private func fill() throws {
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 { pending += chunk[..<count] }
        if count == 0 { isAtEnd = true }
        if count < 0 && errno != EINTR && errno != EAGAIN { throw SystemError("read standard input") }
    }
}
