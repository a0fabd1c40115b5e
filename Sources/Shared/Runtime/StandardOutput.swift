import FileSystem
import Glibc
import LinuxSystem

/// Standard output for lines that somebody waits for: written at once, past stdio's buffer, one write(2) a line.
package enum StandardOutput {
    /// Adds the newline. Throws `SystemError` (EPIPE when nobody reads any more; SIGPIPE is ignored by `Program`).
    package static func writeLine(_ text: String) throws {
        try Files.writeAll(Array((text + "\n").utf8)[...], to: 1, "write to standard output")
    }

    /// As `writeLine`, but gives up once `stop` is told and there is still no room for more. False: not all was written.
    package static func writeLine(_ text: String, until stop: StopSignal) throws -> Bool {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            guard Poll.isWritable(1, or: stop.descriptor) else { return false }
            try Files.writeAll(rest.prefix(Int(PIPE_BUF)), to: 1, "write to standard output")
            rest = rest.dropFirst(Int(PIPE_BUF))
        }
        return true
    }
}
