/// Codes out of the bytes of a scanner: one a line, ended by CR or LF. A pure value.
///
/// A code is 1 to `limitBytes` bytes of UTF-8 without control characters. A line that is anything else is noise, and is dropped
/// whole: half a code could be somebody else's. So is a line that stops in the middle for `pauseMs`: its end was lost, and the
/// next code must not be glued to it.
struct CodeLines: Sendable {
    /// Bytes of a code; QR codes on badges have a few dozen.
    static let limitBytes = 256
    /// A scanner sends a code in one go; at 1,200 baud the longest takes 2.2 s, but never pauses for that long.
    static let pauseMs: Int64 = 1_000

    private var line: [UInt8] = []
    private var isNoise = false
    private var lastMs: Int64 = 0
    /// Lines dropped so far.
    private(set) var rejected = 0

    /// The codes that these bytes complete, in order.
    ///
    /// - Parameter nowMs: of a clock that never steps.
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

    /// Forgets a line that has begun: the port was opened anew.
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
