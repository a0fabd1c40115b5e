import FileSystem

/// Settings of a device in one file, `KEY=VALUE` a line, as systemd's `EnvironmentFile=` has them: what a scanner is given when
/// it is enrolled, secrets among them.
///
/// Blank lines and lines that begin with `#` say nothing; a value may stand in single or double quotes, and nothing in it is
/// replaced. Keys are the names of environment variables, `TAPLINE_...`: those of the gate and of the publisher, which both read
/// the same file. A key that neither knows is a slip of the pen, and what it was to set would silently be missing.
package enum EnvironmentFile {
    /// Largest file, in bytes.
    static let limitBytes = 65_536

    /// All settings of `tapline-gate` and `tapline-publisher`, without their prefix; a test compares them with the programs.
    static let settings: Set<String> = [
        "AMQP_URL", "AMQP_URL_FILE", "BATCH_AGE_MS", "BATCH_SCANS", "CENTER_CA_FILE", "CENTER_URL", "DATA", "DISPLAY",
        "EVENT_KEY", "EVENT_KEY_FILE", "FROM", "GATE", "INSPECTION", "KEEP_DAYS", "LANGUAGE", "LOG_LEVEL", "OUTPUT",
        "PASSAGE",
        "PASSAGE_MS", "READER", "SCANNER", "SNAPSHOT_EVERY_S", "TAG_KEYS", "TRUST_KEY", "TURNSTILE",
    ]

    /// Throws `ProgramError` (configuration) for a file that others than its owner may touch, that cannot be read, or that
    /// has a line which is no setting. Never tells a value.
    package static func read(_ path: String) throws -> [String: String] {
        func refused(_ reason: String) -> ProgramError { .configuration("--enrolment \(path): \(reason)") }
        guard let status = Files.status(path) else { throw refused("there is no such file") }
        guard status.mode & 0o177 == 0 else {
            throw refused("mode \(String(status.mode, radix: 8)), but it holds secrets: 600 is needed")
        }
        let text: String
        do { text = try Files.readText(path, limit: limitBytes) } catch { throw refused("\(error)") }
        var values: [String: String] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = trim(line)
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            let parts = trimmed.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw refused("line \(index + 1) is not KEY=VALUE") }
            let key = String(trim(parts[0]))
            guard key.hasPrefix("TAPLINE_"), key.utf8.allSatisfy(isKeyByte) else {
                throw refused("line \(index + 1): the key is not TAPLINE_ and a setting's name")
            }
            guard settings.contains(String(key.dropFirst("TAPLINE_".count))) else {
                throw refused("line \(index + 1): \(key) is no setting of a scanner")
            }
            guard values[key] == nil else { throw refused("line \(index + 1): \(key) is set twice") }
            guard let value = unquoted(trim(parts[1])) else {
                throw refused("line \(index + 1): \(key) has a quote that does not end")
            }
            values[key] = value
        }
        return values
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (48...57).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    private static func unquoted(_ text: Substring) -> String? {
        guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
        guard text.count >= 2, text.last == quote else { return nil }
        return String(text.dropFirst().dropLast())
    }
}
