import Glibc
import LinuxSystem

/// Standard output without the buffer of stdio: one write(2) per line.
package enum StandardOutput {
    /// Writes a line.
    ///
    /// - Parameter text: the line without its newline.
    /// - Throws: `SystemError`; EPIPE if the reader has closed (programs ignore SIGPIPE).
    package static func writeLine(_ text: String) throws { try write(Array((text + "\n").utf8)[...]) }

    /// Writes a line. Only a part is written if `stop` is set before the reader has room for the rest.
    ///
    /// - Parameters:
    ///   - text: the line without its newline.
    ///   - stop: the stop signal.
    /// - Returns: whether the whole line was written.
    /// - Throws: `SystemError`.
    package static func writeLine(_ text: String, until stop: StopSignal) throws -> Bool {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            guard Poll.isWritable(1, or: stop.descriptor) else { return false }
            try write(rest.prefix(Int(PIPE_BUF)))
            rest = rest.dropFirst(Int(PIPE_BUF))
        }
        return true
    }

    private static func write(_ bytes: ArraySlice<UInt8>) throws {
        try bytes.withUnsafeBytes { try Descriptor.writeAll($0, to: 1, operation: "write to standard output") }
    }
}
