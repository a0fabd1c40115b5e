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
    /// Whether the line began with STX.
    private var isFramed = false
    /// Why the present line is no code. The line is counted as soon as this is known.
    private var fault: DroppedRead?
    private var lastMs: Int64 = 0
    /// Number of dropped lines.
    private(set) var rejected = 0
    /// Why the last of them was dropped; `nil` without one.
    private(set) var lastFault: DroppedRead?

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
            case .startOfText where !isPartial: isFramed = true
            case .endOfText where isFramed: if let code = finished() { codes.append(code) }
            case .endOfText where !isPartial, .tab where !isPartial: break
            // Marks of a frame. The normal form takes them off at the ends.
            case .startOfText, .endOfText, .tab: append(byte)
            case 0x00..<0x20, 0x7F: reject(.noise)
            default: append(byte)
            }
        }
        return codes
    }

    /// Whether a line has begun and has not ended. The marks before a line do not begin it.
    var isPartial: Bool { !line.isEmpty || fault != nil }

    /// Drops an incomplete line, after the port was reopened.
    mutating func drop() {
        if !line.isEmpty { reject(.incomplete) }
        reset()
    }

    private mutating func append(_ byte: UInt8) {
        if line.count < CodeLines.limitBytes { line.append(byte) } else { reject(.tooLong) }
    }

    private mutating func reject(_ reason: DroppedRead) {
        guard fault == nil else { return }
        (fault, lastFault) = (reason, reason)
        rejected += 1
    }

    private mutating func reset() { (line, fault, isFramed) = ([], nil, false) }

    private mutating func finished() -> CodeText? {
        defer { reset() }
        // CR LF ends one line, not two.
        guard isPartial, fault == nil else { return nil }
        guard let text = String(validating: line, as: UTF8.self) else {
            reject(.noise)
            return nil
        }
        do { return try CodeText(text) } catch {
            if case .tooLong = error { reject(.tooLong) } else { reject(.noise) }
            return nil
        }
    }
}

extension UInt8 {
    fileprivate static let startOfText: UInt8 = 0x02
    fileprivate static let endOfText: UInt8 = 0x03
    fileprivate static let tab = UInt8(ascii: "\t")
}
