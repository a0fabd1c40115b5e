import CLI
package import ScanModel

/// What `--reader` names: `[in=|out=]` and then `stdin`, `nfc:CONNSTRING`, `nfc:auto` or `serial:PATH[,BAUD]`.
package struct ReaderSpec: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// One tap a line, each with a direction of its own if it says so.
        case stdin
        /// For libnfc, as `pn532_uart:/dev/ttyUSB0`; nil: the only reader that it finds.
        case nfc(connstring: String?)
        /// A scanner of bar codes.
        case serial(path: String, baud: Int)
    }

    package let source: Source
    /// The way that its taps go, where they do not say so themselves.
    package let direction: Direction

    package static let defaultBaud = 9_600
    /// Bytes of a connection string; libnfc cuts longer ones.
    package static let connstringLimitBytes = 1_023

    /// Throws `ProgramError` (configuration) that says what is wrong.
    package init(_ text: String) throws {
        var rest = text[...]
        var direction = Direction.in
        for (prefix, meant) in [("in=", Direction.in), ("out=", .out)] where text.hasPrefix(prefix) {
            (direction, rest) = (meant, text.dropFirst(prefix.count))
        }
        self.direction = direction
        source = try ReaderSpec.source(rest, text)
    }

    /// As `--reader` would name it, without the direction: for the status and the log.
    package var name: String {
        switch source {
        case .stdin: "stdin"
        case .nfc(let connstring): "nfc:" + (connstring ?? "auto")
        case .serial(let path, _): "serial:" + path
        }
    }

    private static func source(_ text: Substring, _ whole: String) throws -> Source {
        func wrong(_ reason: String) -> ProgramError { .configuration("--reader \(whole): \(reason)") }
        if text == "stdin" { return .stdin }
        guard !text.utf8.contains(0) else { throw wrong("no NUL, please") }
        if text.hasPrefix("nfc:") {
            let connstring = text.dropFirst("nfc:".count)
            if connstring == "auto" { return .nfc(connstring: nil) }
            guard !connstring.isEmpty, connstring.utf8.count <= connstringLimitBytes else {
                throw wrong("after nfc: comes auto, or a connection string of libnfc such as pn532_uart:/dev/ttyUSB0")
            }
            return .nfc(connstring: String(connstring))
        }
        if text.hasPrefix("serial:") {
            let parts = text.dropFirst("serial:".count).split(
                separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            guard let path = parts.first, !path.isEmpty else { throw wrong("after serial: comes the path of a port") }
            guard parts.count > 1 else { return .serial(path: String(path), baud: defaultBaud) }
            guard let baud = Int(parts[1]), bauds.contains(baud) else {
                throw wrong("the speed is one of \(bauds.map { "\($0)" }.joined(separator: ", "))")
            }
            return .serial(path: String(path), baud: baud)
        }
        throw wrong("it is stdin, nfc:CONNSTRING, nfc:auto or serial:PATH, perhaps after in= or out=")
    }

    private static let bauds = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200]
}
