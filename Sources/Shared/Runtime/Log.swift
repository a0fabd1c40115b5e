import Glibc
import LinuxSystem

/// Dotted keys of log records; one enum, so that a key has one spelling.
package enum LogKey: String, Sendable {
    case attempt, bytes, code, count
    case delayMs = "delay.ms"
    case detail
    case durationMs = "duration.ms"
    case error, event, file, folder
    case gate, host, journal, line, name, path, port, queue, reason, reader, scanner, seq, service, shards, signal,
        snapshot
    case stored, duplicates, conflicts, quarantined, backlog, sqlstate, state, tag, url, user, version
}

/// A structured log: one JSON object a line on standard error, or plain text when that is a terminal.
///
/// Messages are constants; what varies goes into the keys. One line a batch, never one a scan. Nobody waits for the log: while
/// its reader stands still, lines are dropped and counted, and the number is told when it reads again.
package struct Log: Sendable {
    package enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error
        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    private let label: String
    private let context: [(LogKey, String)]

    package init(_ label: String, _ context: KeyValuePairs<LogKey, any CustomStringConvertible & Sendable> = [:]) {
        self.label = label
        self.context = context.map { ($0.key, $0.value.description) }
    }

    /// The lowest level that is written; from TAPLINE_LOG_LEVEL, else info.
    package static let threshold: Level =
        switch getenv("TAPLINE_LOG_LEVEL").map({ String(cString: $0) }) {
        case "debug": .debug
        case "warning": .warning
        case "error": .error
        default: .info
        }
    private static let onTerminal = isatty(2) == 1

    package typealias Details = KeyValuePairs<LogKey, any CustomStringConvertible & Sendable>
    package func debug(_ message: StaticString, _ details: Details = [:]) { write(.debug, message, details) }
    package func info(_ message: StaticString, _ details: Details = [:]) { write(.info, message, details) }
    package func warning(_ message: StaticString, _ details: Details = [:]) { write(.warning, message, details) }
    package func error(_ message: StaticString, _ details: Details = [:]) { write(.error, message, details) }

    private func write(_ level: Level, _ message: StaticString, _ details: Details) {
        guard level >= Log.threshold else { return }
        let pairs = context + details.map { ($0.key, $0.value.description) }
        let now = SystemClock.nowMicroseconds()
        var line: String
        if Log.onTerminal {
            line = "\(UTCTime.text(microseconds: now)) \(level) \(label): \(message)"
            for (key, value) in pairs { line += " \(key.rawValue)=\(value)" }
        } else {
            line = #"{"time":"\#(UTCTime.text(microseconds: now))","level":"\#(level)","label":"#
            line += JSONText.quote(label) + #","message":"# + JSONText.quote(message.description)
            for (key, value) in pairs { line += "," + JSONText.quote(key.rawValue) + ":" + JSONText.quote(value) }
            line += "}"
        }
        Log.standardError.write(line + "\n") { count in
            Log.onTerminal
                ? "\(UTCTime.text(microseconds: now)) warning log: lines were lost, nobody read them count=\(count)\n"
                : #"{"time":"\#(UTCTime.text(microseconds: now))","level":"warning","label":"log","#
                    + #""message":"lines were lost, nobody read them","count":"\#(count)"}"# + "\n"
        }
    }

    private static let standardError = NonBlockingWriter(descriptor: 2)
}
