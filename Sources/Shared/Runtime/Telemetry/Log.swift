import Glibc
import LinuxSystem
import TextRules

/// Keys of log records, in one enumeration so that each has one spelling.
package enum LogKey: String, Sendable {
    case bytes, code, count
    case delayMs = "delay.ms"
    case detail
    case durationMs = "duration.ms"
    case error, event, file, folder
    case gate, host, journal, line, name, path, port, queue, reason, reader, scanner, seq, service, shards, signal,
        snapshot
    case conflicts, quarantined, backlog, sqlstate, state, tag, url, version
}

/// A structured log on standard error: one JSON object per line, or plain text on a terminal.
///
/// Messages are constants; variable parts are values of keys. Log once per batch, never per scan. Writing never blocks:
/// lines for which the reader has no room are dropped, and their number is logged later.
package struct Log: Sendable {
    /// Severity of a record. Records below `threshold` are not written.
    package enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error
        /// Orders levels by severity.
        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    private let label: String
    private let context: [(LogKey, String)]

    /// - Parameters:
    ///   - label: name of the component.
    ///   - context: values that every record has.
    package init(_ label: String, _ context: KeyValuePairs<LogKey, any CustomStringConvertible & Sendable> = [:]) {
        self.label = label
        self.context = context.map { ($0.key, $0.value.description) }
    }

    /// The lowest level that is written, from TAPLINE_LOG_LEVEL; `info` by default.
    package static let threshold: Level =
        switch getenv("TAPLINE_LOG_LEVEL").map({ String(cString: $0) }) {
        case "debug": .debug
        case "warning": .warning
        case "error": .error
        default: .info
        }
    private static let onTerminal = isatty(2) == 1

    /// Values of a record, by key, in the order of the record.
    package typealias Details = KeyValuePairs<LogKey, any CustomStringConvertible & Sendable>
    /// Writes a record of level `debug`: a constant message, and its values. Never blocks.
    package func debug(_ message: StaticString, _ details: Details = [:]) { write(.debug, message, details) }
    /// Writes a record of level `info`: normal events of the operation.
    package func info(_ message: StaticString, _ details: Details = [:]) { write(.info, message, details) }
    /// Writes a record of level `warning`: a fault that the program handles.
    package func warning(_ message: StaticString, _ details: Details = [:]) { write(.warning, message, details) }
    /// Writes a record of level `error`: a fault that needs an operator.
    package func error(_ message: StaticString, _ details: Details = [:]) { write(.error, message, details) }

    private func write(_ level: Level, _ message: StaticString, _ details: Details) {
        guard level >= Log.threshold else { return }
        // Values can quote text from outside, whose invisible characters explain why it is not accepted.
        let pairs = (context + details.map { ($0.key, $0.value.description) }).map {
            ($0, SecretText.redacted($1).visible)
        }
        let now = SystemClock.nowMicroseconds()
        var line: String
        if Log.onTerminal {
            line = "\(UTCTime.text(microseconds: now)) \(level) \(label): \(message)"
            for (key, value) in pairs { line += " \(key.rawValue)=\(Log.indented(value))" }
        } else {
            line = #"{"time":"\#(UTCTime.text(microseconds: now))","level":"\#(level)","label":"#
            line += JSONText.quote(label) + #","message":"# + JSONText.quote(message.description)
            for (key, value) in pairs { line += "," + JSONText.quote(key.rawValue) + ":" + JSONText.quote(value) }
            line += "}"
        }
        Log.standardError.write(line + "\n") { count in
            Log.onTerminal
                ? "\(UTCTime.text(microseconds: now)) warning log: log lines dropped, output not read count=\(count)\n"
                : #"{"time":"\#(UTCTime.text(microseconds: now))","level":"warning","label":"log","#
                    + #""message":"log lines dropped, output not read","count":"\#(count)"}"# + "\n"
        }
    }

    /// The lines of a value after its first one begin with blanks, so that none looks like a record.
    static func indented(_ value: String) -> String {
        value.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n    ")
    }

    private static let standardError = NonBlockingWriter(descriptor: 2)
}
