import Glibc
import LinuxSystem
import TextRules

/// Standard output without the buffer of stdio: one write(2) per line.
///
/// Invisible characters within a line are shown by their numbers: a name with a line break or an escape sequence must
/// neither forge a line nor command the terminal. JSON lines have none (`JSONText`).
package enum StandardOutput {
    /// Writes a line.
    ///
    /// - Parameter text: the line without its newline.
    /// - Throws: `SystemError`; EPIPE if the reader has closed (programs ignore SIGPIPE).
    package static func writeLine(_ text: String) throws { try write(bytes(text)) }

    /// Writes a line. Only a part is written if `stop` is set before the reader has room for the rest.
    ///
    /// - Parameters:
    ///   - text: the line without its newline.
    ///   - stop: the stop signal.
    /// - Returns: whether the whole line was written.
    /// - Throws: `SystemError`.
    package static func writeLine(_ text: String, until stop: StopSignal) throws -> Bool {
        var rest = bytes(text)
        while !rest.isEmpty {
            guard Poll.isWritable(1, or: stop.descriptor) else { return false }
            try write(rest.prefix(Int(PIPE_BUF)))
            rest = rest.dropFirst(Int(PIPE_BUF))
        }
        return true
    }

    private static func bytes(_ text: String) -> ArraySlice<UInt8> { Array((text.visibleInLine + "\n").utf8)[...] }

    private static func write(_ bytes: ArraySlice<UInt8>) throws {
        try bytes.withUnsafeBytes { try Descriptor.writeAll($0, to: 1, operation: "write to standard output") }
    }
}
