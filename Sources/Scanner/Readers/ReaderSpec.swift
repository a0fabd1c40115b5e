package import ErrorModel
package import ScanModel

/// The text form of a reader: `[in=|out=]` and then `stdin`, `nfc:CONNSTRING`, `nfc:auto` or `serial:PATH[,BAUD]`.
package struct ReaderSpec: Hashable, Sendable {
    /// The device or stream from which the taps come.
    package enum Source: Hashable, Sendable {
        /// One tap a line, optionally with its direction.
        case stdin
        /// A connection string for libnfc such as `pn532_uart:/dev/ttyUSB0`, or `nil` for the only reader that it
        /// finds.
        case nfc(connstring: String?)
        /// A scanner of bar codes.
        case serial(path: String, baud: Int)
    }

    /// The source of the taps.
    package let source: Source
    /// The direction of the taps that have none.
    package let direction: Direction

    /// Speed of a serial port without a given speed, in baud.
    static let defaultBaud = 9_600
    /// Maximum length of a connection string. libnfc truncates longer ones.
    static let connstringLimitBytes = 1_023

    /// Parses the text.
    ///
    /// - Throws: `ReaderSpecError`.
    package init(_ text: String) throws(ReaderSpecError) {
        var rest = text[...]
        var direction = Direction.in
        for (prefix, meant) in [("in=", Direction.in), ("out=", .out)] where text.hasPrefix(prefix) {
            (direction, rest) = (meant, text.dropFirst(prefix.count))
        }
        self.direction = direction
        source = try ReaderSpec.source(rest, text)
    }

    /// The text form without the direction, for status and log.
    package var name: String {
        switch source {
        case .stdin: "stdin"
        case .nfc(let connstring): "nfc:" + (connstring ?? "auto")
        case .serial(let path, _): "serial:" + path
        }
    }

    private static func source(_ text: Substring, _ spec: String) throws(ReaderSpecError) -> Source {
        func wrong(_ reason: String) -> ReaderSpecError { ReaderSpecError(description: "\(spec): \(reason)") }
        if text == "stdin" { return .stdin }
        guard !text.utf8.contains(0) else { throw wrong("it contains a NUL character") }
        if text.hasPrefix("nfc:") {
            let connstring = text.dropFirst("nfc:".count)
            if connstring == "auto" { return .nfc(connstring: nil) }
            guard !connstring.isEmpty, connstring.utf8.count <= connstringLimitBytes else {
                throw wrong("nfc: needs auto, or a connection string of libnfc such as pn532_uart:/dev/ttyUSB0")
            }
            return .nfc(connstring: String(connstring))
        }
        if text.hasPrefix("serial:") {
            let parts = text.dropFirst("serial:".count).split(
                separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            guard let path = parts.first, !path.isEmpty else { throw wrong("serial: needs the path of a port") }
            guard parts.count > 1 else { return .serial(path: String(path), baud: defaultBaud) }
            guard let baud = Int(parts[1]), bauds.contains(baud) else {
                throw wrong("the speed must be one of \(bauds.map { "\($0)" }.joined(separator: ", "))")
            }
            return .serial(path: String(path), baud: baud)
        }
        throw wrong("stdin, nfc:CONNSTRING, nfc:auto or serial:PATH is needed, optionally after in= or out=")
    }

    private static let bauds = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200]
}

/// A text that names no reader.
package struct ReaderSpecError: OperationError {
    /// `configuration`: the setting must be corrected.
    package var category: ErrorCategory { .configuration }
    /// The text, and why it names no reader.
    package let description: String
}
