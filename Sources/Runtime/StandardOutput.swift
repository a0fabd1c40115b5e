import Glibc

/// Standard output for lines that somebody waits for: written at once, past stdio's buffer, one write(2) a line.
public enum StandardOutput {
    /// Adds the newline. Throws `SystemError` (EPIPE when nobody reads any more; SIGPIPE is ignored by `Program`).
    public static func writeLine(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        bytes.append(UInt8(ascii: "\n"))
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(1, $0.baseAddress!, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("write to standard output")
            }
            bytes = bytes.dropFirst(count)
        }
    }
}
