import Glibc
import LinuxSystem
package import Runtime

extension LineInput {
    /// Reads a text from a pipe, and returns all events up to its end.
    ///
    /// - Parameters:
    ///   - text: at most 64 KiB, the size of a pipe.
    ///   - limitBytes: maximum size of a line, in bytes.
    /// - Throws: `TestFailure` if the text does not fit; the errors of `next`.
    package static func events(of text: [UInt8], limitBytes: Int = 4_096) throws -> [Event] {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemError("pipe") }
        defer { close(ends[0]) }
        let written = write(ends[1], text, text.count)
        close(ends[1])
        guard written == text.count else { throw TestFailure("\(written) of \(text.count) bytes fit into a pipe") }
        let input = LineInput(descriptor: ends[0], limitBytes: limitBytes)
        var events: [Event] = []
        while events.last != .end { events.append(try input.next(or: StopSignal(), withinMs: 1_000)) }
        return events
    }
}
