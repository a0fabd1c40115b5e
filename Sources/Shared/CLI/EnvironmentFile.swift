import FileSystem
import Runtime

/// Enrolment file of a scanner: settings and secrets as `KEY=VALUE`, one per line, as in systemd's `EnvironmentFile=`.
///
/// Blank lines and lines that begin with `#` are ignored. A value may be in single or double quotes; nothing in it is
/// expanded. Keys are the environment variables `TAPLINE_...` of the gate and of the publisher, which read the same
/// file. Unknown keys are rejected, because a misspelled key would leave a setting at its default.
package enum EnvironmentFile {
    /// Maximum size of the file, in bytes.
    static let limitBytes = 65_536

    /// All settings of `tapline-gate` and `tapline-publisher`, without their prefix; a test compares them with the
    /// programs.
    static let settings: Set<String> = [
        "AMQP_CA_FILE", "AMQP_CERTIFICATE_FILE", "AMQP_KEY_FILE", "AMQP_URL", "AMQP_URL_FILE", "BATCH_AGE_MS",
        "BATCH_SCANS", "CENTER_CA_FILE", "CENTER_TOKEN", "CENTER_TOKEN_FILE", "CENTER_URL", "DATA", "DEVICE_KEY",
        "DEVICE_KEY_FILE", "DISPLAY", "EVENT_KEY", "EVENT_KEY_FILE", "FROM", "GATE", "INSECURE_AMQP", "INSECURE_HTTP",
        "INSPECTION", "KEEP_DAYS", "LANGUAGE", "LOG_LEVEL", "METRICS_FILE", "OUTPUT", "PASSAGE", "PASSAGE_MS", "READER",
        "SCANNER", "SNAPSHOT_EVERY_S", "TAG_KEYS", "TRUST_KEY", "TURNSTILE",
    ]

    /// Reads an enrolment file.
    ///
    /// - Parameter path: path of the file.
    /// - Returns: the values by environment variable.
    /// - Throws: `ProgramError` (configuration) for a file that cannot be read or that group or others may access. The
    ///   same error reports a line that is not a setting. The message never contains a value.
    package static func read(_ path: String) throws -> [String: String] {
        func invalid(_ reason: String) -> ProgramError { .configuration("--enrolment \(path): \(reason)") }
        guard Files.exists(path) else { throw invalid("no such file") }
        if let problem = Files.exposure(path) { throw invalid("the file holds secrets, and \(problem)") }
        let text: String
        do { text = try Files.readText(path, limit: limitBytes) } catch { throw invalid("\(error)") }
        var values: [String: String] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = line.trimmed
            if content.isEmpty || content.hasPrefix("#") { continue }
            let parts = content.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw invalid("line \(index + 1) is not KEY=VALUE") }
            let key = String(parts[0].trimmed)
            guard key.hasPrefix("TAPLINE_"), key.utf8.allSatisfy(isKeyByte) else {
                throw invalid("line \(index + 1): the key is not the name of a setting, TAPLINE_...")
            }
            let name = String(key.dropFirst("TAPLINE_".count))
            guard settings.contains(name) else {
                let nearest = NearestName.best(name, in: settings).map { ": did you mean TAPLINE_\($0)?" } ?? ""
                throw invalid("line \(index + 1): \(key) is not a setting of a scanner\(nearest)")
            }
            guard values[key] == nil else { throw invalid("line \(index + 1): \(key) is set twice") }
            guard let value = unquoted(parts[1].trimmed) else {
                throw invalid("line \(index + 1): the closing quote of \(key) is missing")
            }
            values[key] = value
        }
        return values
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (48...57).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func unquoted(_ text: Substring) -> String? {
        guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
        guard text.count >= 2, text.last == quote else { return nil }
        return String(text.dropFirst().dropLast())
    }
}

extension StringProtocol where SubSequence == Substring {
    /// The text without leading and trailing white space.
    var trimmed: Substring {
        var rest = drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}
