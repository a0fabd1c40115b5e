/// Standard output for lines that somebody waits for: written at once, past stdio's buffer, one write(2) a line.
public enum StandardOutput {
    /// Adds the newline. Throws `SystemError` (EPIPE when nobody reads any more; SIGPIPE is ignored by `Program`).
    public static func writeLine(_ text: String) throws {
        try Files.writeAll(Array((text + "\n").utf8)[...], to: 1, "write to standard output")
    }
}
