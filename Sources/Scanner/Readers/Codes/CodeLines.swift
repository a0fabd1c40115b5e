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
    private var isNoise = false
    private var lastMs: Int64 = 0
    /// Number of dropped lines.
    private(set) var rejected = 0

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
            case 0x00..<0x20, 0x7F: isNoise = true
            default:
                if line.count < CodeLines.limitBytes { line.append(byte) } else { isNoise = true }
            }
        }
        return codes
    }

    /// Drops an incomplete line, after the port was reopened.
    mutating func drop() {
        if isNoise || !line.isEmpty { rejected += 1 }
        (line, isNoise) = ([], false)
    }

    private mutating func finished() -> String? {
        // CR LF ends one line, not two.
        if line.isEmpty && !isNoise { return nil }
        guard !isNoise, let code = String(validating: line, as: UTF8.self) else {
            isNoise = true
            drop()
            return nil
        }
        line = []
        return code
    }
}
