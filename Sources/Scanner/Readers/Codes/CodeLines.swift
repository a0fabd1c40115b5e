import ScanModel

/// Splits the bytes of a code scanner into codes: one a line, ended by CR or LF. A pure value.
///
/// A code is 1 to `limitBytes` bytes of UTF-8 without control characters. Any other line is noise. It is dropped as a
/// whole, because a part of a code could be another valid code. A line that pauses for `pauseMs` is dropped too: its
/// end was lost, and the next code must not be appended to it.
struct CodeLines: Sendable {
    /// Maximum length of a code in bytes. QR codes on badges have a few dozen.
    static let limitBytes = 256
    /// Maximum pause within a line, in milliseconds. A scanner sends a code without pauses; the longest takes 2.2 s at
    /// 1,200 baud.
    static let pauseMs: Int64 = 1_000

    private var line: [UInt8] = []
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
    mutating func take(_ bytes: [UInt8], nowMs: Int64) -> [String] {
        if nowMs - lastMs > CodeLines.pauseMs { drop() }
        if !bytes.isEmpty { lastMs = nowMs }
        var codes: [String] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let code = finished() { codes.append(code) }
            case 0x00..<0x20, 0x7F: reject(.noise)
            default:
                if line.count < CodeLines.limitBytes { line.append(byte) } else { reject(.tooLong) }
            }
        }
        return codes
    }

    /// Whether a line has begun and has not ended.
    var isPartial: Bool { !line.isEmpty || fault != nil }

    /// Drops an incomplete line, after the port was reopened.
    mutating func drop() {
        if !line.isEmpty { reject(.incomplete) }
        (line, fault) = ([], nil)
    }

    private mutating func reject(_ reason: DroppedRead) {
        guard fault == nil else { return }
        (fault, lastFault) = (reason, reason)
        rejected += 1
    }

    private mutating func finished() -> String? {
        // CR LF ends one line, not two.
        if !isPartial { return nil }
        let code = fault == nil ? String(validating: line, as: UTF8.self) : nil
        if code == nil { reject(.noise) }
        (line, fault) = ([], nil)
        return code
    }
}
