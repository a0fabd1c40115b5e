import ScanModel

/// Splits the bytes of a code scanner into codes: one a line. A pure value.
///
/// CR or LF ends a line, and so does the ETX of a line that began with STX. The text of a line is brought into the
/// normal form (`CodeText`). A line without a normal form is noise. It is dropped as a whole, because a part of a code
/// could be another valid code. A line that pauses for `pauseMs` is dropped too: its end was lost, and the next code
/// must not be appended to it.
struct CodeLines: Sendable {
    /// Maximum length of a line in bytes: a code with the marks of a scanner.
    static let limitBytes = CodeText.limitBytes + 64
    /// Maximum pause within a line, in milliseconds. A scanner sends a code without pauses; the longest takes 2.2 s at
    /// 1,200 baud.
    static let pauseMs: Int64 = 1_000

    private var line: [UInt8] = []
    private var isNoise = false
    /// Whether the line began with STX.
    private var isFramed = false
    private var lastMs: Int64 = 0
    /// Number of dropped lines.
    private(set) var rejected = 0

    /// Returns the codes that these bytes complete, in order.
    ///
    /// - Parameters:
    ///   - bytes: The bytes of one read.
    ///   - nowMs: Monotonic time in milliseconds.
    mutating func take(_ bytes: [UInt8], nowMs: Int64) -> [CodeText] {
        if nowMs - lastMs > CodeLines.pauseMs { drop() }
        if !bytes.isEmpty { lastMs = nowMs }
        var codes: [CodeText] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let code = finished() { codes.append(code) }
            case .startOfText where isBlank: isFramed = true
            case .endOfText where isFramed: if let code = finished() { codes.append(code) }
            case .endOfText where isBlank, .tab where isBlank: break
            default:
                if line.count < CodeLines.limitBytes { line.append(byte) } else { isNoise = true }
            }
        }
        return codes
    }

    /// Drops an incomplete line, after the port was reopened.
    mutating func drop() {
        if !isBlank { rejected += 1 }
        (line, isNoise, isFramed) = ([], false, false)
    }

    /// Whether the line holds nothing but marks of its beginning.
    private var isBlank: Bool { line.isEmpty && !isNoise }

    private mutating func finished() -> CodeText? {
        // CR LF ends one line, not two.
        guard !isBlank else {
            isFramed = false
            return nil
        }
        guard !isNoise, let text = String(validating: line, as: UTF8.self), let code = try? CodeText(text) else {
            drop()
            return nil
        }
        (line, isFramed) = ([], false)
        return code
    }
}

extension UInt8 {
    fileprivate static let startOfText: UInt8 = 0x02
    fileprivate static let endOfText: UInt8 = 0x03
    fileprivate static let tab = UInt8(ascii: "\t")
}
