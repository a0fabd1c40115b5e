import ScanModel

/// Finds the codes in the bytes of a code scanner: one a showing. A pure value.
///
/// CR or LF ends a line, and so does the ETX of a line that began with STX. The text of a line is brought into the
/// normal form (`CodeText`). A line without a normal form is noise. It is dropped as a whole, because a part of a code
/// could be another valid code. A line that pauses for `pauseMs` is dropped too: its end was lost, and the next code
/// must not be appended to it.
///
/// A showing ends after a silence of `showingMs`. A code may hold line breaks. Each of its lines would count as a code,
/// and one showing could try hundreds of codes. Therefore a showing with more than one line is noise as a whole.
struct CodeLines: Sendable {
    /// Maximum length of a line in bytes: a code with the marks of a scanner.
    static let limitBytes = CodeText.limitBytes + 64
    /// Maximum pause within a line, in milliseconds. A scanner sends a code without pauses; the longest takes 2.2 s at
    /// 1,200 baud.
    static let pauseMs: Int64 = 1_000
    /// Silence that ends a showing, in milliseconds. Scanners pause longer than this between two codes.
    static let showingMs: Int64 = 200

    private enum Showing: Sendable {
        /// No line has ended yet.
        case open
        /// One line has ended; `nil` if it was dropped.
        case ended(CodeText?)
        /// More than one line: noise until the silence.
        ///
        /// - Parameter isMidLine: whether the last line has not ended.
        case noise(isMidLine: Bool)
    }

    private var line: [UInt8] = []
    /// Whether the line began with STX.
    private var isFramed = false
    /// Why the present line is no code. The line is counted as soon as this is known.
    private var fault: DroppedRead?
    private var showing = Showing.open
    private var lastMs: Int64 = 0
    /// Number of dropped lines. A showing with more than one line counts once.
    private(set) var rejected = 0
    /// Why the last of them was dropped; `nil` without one.
    private(set) var lastFault: DroppedRead?

    /// Takes the bytes of one read.
    ///
    /// A code is known only when the silence after it is over. Only a read without bytes proves the silence: a delayed
    /// thread reads the rest of a showing late.
    ///
    /// - Parameters:
    ///   - bytes: The bytes of one read; may be empty.
    ///   - nowMs: Monotonic time in milliseconds.
    /// - Returns: The code of a showing that has ended.
    mutating func take(_ bytes: [UInt8], nowMs: Int64) -> CodeText? {
        if nowMs - lastMs > CodeLines.pauseMs { dropLine() }
        guard !bytes.isEmpty else { return finishedShowing(nowMs: nowMs) }
        lastMs = nowMs
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): endLine()
            case .startOfText where !isPartial: isFramed = true
            case .endOfText where isFramed: endLine()
            case .endOfText where !isPartial, .tab where !isPartial, .blank where !isPartial: break
            // Marks of a frame. The normal form takes them off at the ends.
            case .startOfText, .endOfText, .tab: append(byte)
            case 0x00..<0x20, 0x7F:
                if beginsContent() { reject(.noise) }
            default: append(byte)
            }
        }
        return nil
    }

    /// When `take` should be called again although nothing arrives, in monotonic milliseconds; `nil` at any time.
    var dueMs: Int64? {
        switch showing {
        case .open where !isPartial: nil
        case .open, .noise(isMidLine: true): lastMs + CodeLines.pauseMs + 1
        case .ended, .noise(isMidLine: false): lastMs + CodeLines.showingMs
        }
    }

    /// Whether a line has begun and has not ended. The marks before a line do not begin it.
    var isPartial: Bool {
        if case .noise(let isMidLine) = showing { return isMidLine }
        return !line.isEmpty || fault != nil
    }

    /// Drops an incomplete line after its pause.
    private mutating func dropLine() {
        if !line.isEmpty { reject(.incomplete) }
        reset()
    }

    private mutating func finishedShowing(nowMs: Int64) -> CodeText? {
        guard let dueMs, nowMs >= dueMs else { return nil }
        defer { showing = .open }
        guard case .ended(let code) = showing else { return nil }
        return code
    }

    /// Notes that a byte belongs to a line.
    ///
    /// - Returns: `false` if the showing is noise, so that its bytes do not count.
    private mutating func beginsContent() -> Bool {
        switch showing {
        case .open: return true
        case .ended(let code):
            // A dropped line was counted already.
            if code != nil { reject(.noise) }
            reset()
            showing = .noise(isMidLine: true)
            return false
        case .noise:
            showing = .noise(isMidLine: true)
            return false
        }
    }

    private mutating func append(_ byte: UInt8) {
        guard beginsContent() else { return }
        if line.count < CodeLines.limitBytes { line.append(byte) } else { reject(.tooLong) }
    }

    private mutating func reject(_ reason: DroppedRead) {
        guard fault == nil else { return }
        (fault, lastFault) = (reason, reason)
        rejected += 1
    }

    private mutating func reset() { (line, fault, isFramed) = ([], nil, false) }

    private mutating func endLine() {
        defer { reset() }
        if case .noise = showing {
            showing = .noise(isMidLine: false)
        } else if isPartial {
            // Only here: CR LF ends one line, not two.
            showing = .ended(code())
        }
    }

    /// The code of the complete line; `nil` if the line is dropped.
    private mutating func code() -> CodeText? {
        guard fault == nil else { return nil }
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
    fileprivate static let blank = UInt8(ascii: " ")
}
