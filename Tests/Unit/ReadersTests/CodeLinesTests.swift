import ScanModel
import TestSupport
import Testing

@testable import Readers

struct CodeLinesTests {
    /// A scanner whose showings are far apart.
    private struct Scanner {
        var lines = CodeLines()
        var nowMs: Int64 = 0

        /// Sends the pieces of one showing, and returns its code after the silence.
        mutating func show(_ pieces: [[UInt8]]) -> String? {
            nowMs += 10_000
            for piece in pieces { #expect(lines.take(piece, nowMs: nowMs) == nil) }
            nowMs += CodeLines.pauseMs + 1
            return lines.take([], nowMs: nowMs)?.text
        }

        mutating func show(_ text: String) -> String? { show([Array(text.utf8)]) }
    }

    private static func code(_ text: String) -> String? {
        var scanner = Scanner()
        return scanner.show(text)
    }

    @Test func showingOfOneLineIsOneCode() {
        var scanner = Scanner()
        for (text, code) in [
            ("A1\n", "A1"), ("B2\r\n", "B2"), ("C3\r", "C3"), ("\n\r\n\n", nil), (" A 1 \n", "A 1"),
            ("تذكرة-٧\n", "تذكرة-٧"), ("D4", nil), ("E5\r\n\r\n", "E5"), ("F6\r \t\r\n", "F6"),
        ] as [(String, String?)] {
            #expect(scanner.show(text) == code)
        }
    }

    /// One code may hold line breaks. Its lines would be guesses of many codes.
    @Test(arguments: ["\n", "\r", "\r\n", "\n\n"])
    func showingOfSeveralLinesIsNoise(end: String) {
        var scanner = Scanner()
        for count in [2, 3, 798] {
            let before = scanner.lines.rejected
            #expect(scanner.show(String(repeating: "A1" + end, count: count)) == nil)
            #expect(scanner.show("A1" + end + "B") == nil, "also if the last line has no end")
            #expect(scanner.show("A\u{1D}" + end + "B2" + end) == nil, "also after a line of noise")
            #expect(scanner.show("\u{2}A1\u{3}\u{2}B2\u{3}") == nil, "also in frames")
            #expect(scanner.lines.rejected == before + 4 && scanner.lines.lastFault == .noise)
            #expect(scanner.show("A1" + end) == "A1")
        }
    }

    @Test func codeIsKnownAfterTheSilence() {
        var lines = CodeLines()
        func take(_ text: String, at nowMs: Int64) -> String? { lines.take(Array(text.utf8), nowMs: nowMs)?.text }
        #expect(take("ONE\r", at: 1_000) == nil && lines.dueMs == 1_000 + CodeLines.showingMs)
        #expect(take("", at: 1_199) == nil)
        #expect(take("", at: 1_200) == "ONE" && lines.dueMs == nil)
        #expect(take("", at: 1_500) == nil, "once")
        // A second line within the silence.
        #expect(take("TWO\r", at: 2_000) == nil)
        #expect(take("THREE\r", at: 2_199) == nil)
        #expect(take("", at: 2_398) == nil && lines.dueMs == 2_399)
        #expect(take("", at: 2_399) == nil && lines.rejected == 1 && lines.dueMs == nil)
        // The silence counts only if it was heard: a delayed thread reads the rest of a showing late.
        #expect(take("FOUR\r", at: 3_000) == nil)
        #expect(take("FIVE\r", at: 9_000) == nil)
        #expect(take("", at: 9_500) == nil && lines.rejected == 2)
        #expect(take("SIX\r", at: 10_000) == nil)
        #expect(take("", at: 10_200) == "SIX")
    }

    /// The rest of a line that paused is no code.
    @Test func noiseEndsAtTheEndOfALine() {
        var lines = CodeLines()
        #expect(lines.take(Array("A\rB\rTICK".utf8), nowMs: 0) == nil)
        #expect(lines.take([], nowMs: CodeLines.showingMs) == nil)
        #expect(lines.take(Array("ET-1\r".utf8), nowMs: CodeLines.showingMs + 100) == nil)
        #expect(lines.take([], nowMs: 2 * CodeLines.showingMs + 100) == nil)
        #expect(lines.rejected == 1 && lines.dueMs == nil)
    }

    @Test(arguments: [
        "\u{2}TICKET-1\u{3}", "\u{2}TICKET-1\u{3}\r\n", "\u{2}TICKET-1\r\n\u{3}", "TICKET-1\t\r", "]Q1TICKET-1\r",
        "]C1TICKET-1\r\n", "\\000026TICKET-1\n", "]Q2\\000003TICKET-1\n", "\u{FEFF}TICKET-1\u{A0}\n",
        "\u{200F}TICKET-1\u{200B}\n", "\tTICKET-1\n",
    ])
    func marksOfScannersAreTakenOff(line: String) {
        var scanner = Scanner()
        for _ in 1...2 { #expect(scanner.show(line) == "TICKET-1") }
        // The rest of a frame is no code that could not be read.
        #expect(scanner.lines.rejected == 0)
    }

    @Test func invisibleCharacterWithinCodeIsNoise() {
        for invisible in ["\t", "\u{200B}", "\u{A0}", "\u{1D}", "\u{3}", "\u{85}"] {
            var scanner = Scanner()
            #expect(scanner.show("AB\(invisible)C\n") == nil && scanner.lines.rejected == 1)
            #expect(scanner.show("D\n") == "D")
        }
        for control in ["\u{1}", "\u{4}", "\u{B}", "\u{1B}", "\u{1D}", "\u{1E}", "\u{7F}", "\u{85}"] {
            #expect(Self.code("AB\(control)\n") == nil && Self.code("\(control)AB\n") == nil, "at the ends, too")
        }
    }

    @Test func splitReadsGiveTheSameCodes() {
        let bytes = Array("تذكرة-٧\r\n".utf8)
        var scanner = Scanner()
        for cut in 0...bytes.count {
            #expect(scanner.show([Array(bytes[..<cut]), Array(bytes[cut...])]) == "تذكرة-٧")
        }
        #expect(scanner.show(bytes.map { [$0] }) == "تذكرة-٧")
    }

    @Test func tooLongLinesAreDropped() {
        let longest = String(repeating: "x", count: CodeText.limitBytes)
        var scanner = Scanner()
        for text in [longest + "\n", "\u{2}]Q1\\000026\(longest)\t\u{3}\r\n"] { #expect(scanner.show(text) == longest) }
        for text in [longest + "x\n", String(repeating: "x", count: 1 << 20) + "\n"] {
            #expect(scanner.show(text) == nil && scanner.lines.lastFault == .tooLong)
            #expect(scanner.show("A\n") == "A")
        }
    }

    @Test(arguments: [[0x00], [0x1B], [0x7F], [0x1D], [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80]])
    func noiseDropsItsLine(noise: [UInt8]) {
        var scanner = Scanner()
        #expect(scanner.show([Array("A".utf8) + noise + Array("1\n".utf8)]) == nil)
        #expect(scanner.lines.rejected == 1)
        // A line of noise counts as well.
        #expect(scanner.show([noise + Array("\n".utf8)]) == nil)
        #expect(scanner.lines.rejected == 2)
        #expect(scanner.show("B2\n") == "B2")
    }

    /// The end of a code was lost, and the next code must not be appended to it.
    @Test func incompleteLineIsDroppedAfterPause() {
        var lines = CodeLines()
        #expect(lines.take(Array("HALF".utf8), nowMs: 0) == nil)
        #expect(lines.take(Array("WHOLE\n".utf8), nowMs: CodeLines.pauseMs + 1) == nil)
        #expect(lines.take([], nowMs: 5_000) == "WHOLE")
        #expect(lines.rejected == 1)
        // A slow line without a long pause is complete.
        #expect(lines.take(Array("SL".utf8), nowMs: 10_000) == nil)
        #expect(lines.take(Array("OW\n".utf8), nowMs: 10_000 + CodeLines.pauseMs) == nil)
        #expect(lines.take([], nowMs: 15_000) == "SLOW")
        #expect(lines.rejected == 1)
    }

    @Test func faultIsKnownBeforeTheLineEnds() {
        var lines = CodeLines()
        for (text, fault) in [
            ("\u{1D}", .noise), (String(repeating: "x", count: CodeLines.limitBytes + 1), .tooLong),
        ] as [(String, DroppedRead)] {
            let before = lines.rejected
            #expect(lines.take(Array(text.utf8), nowMs: 0) == nil)
            #expect(lines.isPartial && lines.lastFault == fault && lines.rejected == before + 1)
            #expect(lines.take(Array("y\n".utf8), nowMs: 0) == nil)
            #expect(!lines.isPartial && lines.rejected == before + 1)
            #expect(lines.take([], nowMs: CodeLines.showingMs) == nil)
        }
        #expect(lines.take(Array("HALF".utf8), nowMs: 0) == nil && lines.isPartial)
        #expect(lines.take([], nowMs: CodeLines.pauseMs + 1) == nil)
        #expect(!lines.isPartial && lines.lastFault == .incomplete)
    }

    @Test func randomBytesGiveOnlyValidCodes() {
        var random = TestRandom(11)
        var scanner = Scanner()
        for _ in 0..<1_000 {
            let bytes = (0..<1_000).map { _ in
                Int.random(in: 0..<200, using: &random) == 0 ? UInt8.random(in: 0...255, using: &random) : 0x41
            }
            guard let code = scanner.show([bytes]) else { continue }
            #expect((1...CodeText.limitBytes).contains(code.utf8.count))
            #expect(!code.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
        }
    }
}

struct KeyboardWedgeTests {
    /// Returns an event of the kernel: time, type, code, value.
    private static func event(_ type: Int, _ code: Int, _ value: Int) -> [UInt8] {
        let time = (0..<(KeyboardWedge.eventBytes - 8)).map { _ in UInt8(0xAB) }
        let words = [type, code, value & 0xFFFF, value >> 16 & 0xFFFF]
        return time + words.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    }
    private static let report = event(0, 0, 0)
    static func press(_ key: Int) -> [UInt8] { event(4, 4, 0x70000 + key) + event(1, key, 1) + report }
    static func release(_ key: Int) -> [UInt8] { event(1, key, 0) + report }
    static func stroke(_ key: Int) -> [UInt8] { press(key) + release(key) }
    static func shifted(_ key: Int, shift: Int = 42) -> [UInt8] { press(shift) + stroke(key) + release(shift) }

    private static func typed(_ events: [UInt8]) -> String {
        var wedge = KeyboardWedge()
        return String(decoding: wedge.take(events), as: UTF8.self)
    }

    @Test func keysOfUSLayoutWithAndWithoutShift() {
        let rows: [(ClosedRange<Int>, String, String)] = [
            (2...13, "1234567890-=", "!@#$%^&*()_+"), (16...27, "qwertyuiop[]", "QWERTYUIOP{}"),
            (30...41, "asdfghjkl;'`", "ASDFGHJKL:\"~"), (43...53, "\\zxcvbnm,./", "|ZXCVBNM<>?"), (57...57, " ", " "),
        ]
        for (keys, plain, shifted) in rows {
            #expect(Self.typed(keys.flatMap(Self.stroke)) == plain)
            for shift in [42, 54] {
                #expect(Self.typed(keys.flatMap { Self.shifted($0, shift: shift) }) == shifted)
            }
        }
        #expect(Self.typed([82, 79, 80, 81, 75, 76, 77, 71, 72, 73].flatMap(Self.stroke)) == "0123456789")
        #expect(Self.typed([28, 96, 15].flatMap(Self.stroke)) == "\n\n\n")
    }

    @Test func capsLockAffectsOnlyLetters() {
        let events = Self.stroke(58) + Self.stroke(30) + Self.shifted(30) + Self.stroke(2) + Self.stroke(58)
        #expect(Self.typed(events + Self.stroke(30)) == "Aa1a")
    }

    @Test func keysWithoutCharacterAreNoise() {
        for modifier in [29, 97, 56, 100, 125, 126] {
            let events = Self.press(modifier) + Self.stroke(30) + Self.release(modifier) + Self.stroke(48)
            #expect(Self.typed(events) == "\0b", "\(modifier)")
        }
        for key in [1, 14, 59, 111, 240] { #expect(Self.typed(Self.stroke(key)) == "\0", "\(key)") }
    }

    /// After an overflow of the kernel's buffer, characters and releases of shift are missing.
    @Test func lineWithDroppedEventsIsNoise() {
        var wedge = KeyboardWedge()
        var lines = CodeLines()
        let events =
            Self.press(42) + Self.stroke(30) + Self.event(0, 3, 0) + Self.stroke(30) + Self.stroke(28)
        #expect(lines.take(wedge.take(events), nowMs: 0) == nil)
        #expect(lines.take([], nowMs: CodeLines.showingMs) == nil && lines.rejected == 1)
        #expect(lines.take(wedge.take(Self.stroke(48) + Self.stroke(28)), nowMs: 1_000) == nil)
        #expect(lines.take([], nowMs: 1_000 + CodeLines.showingMs) == "b")
    }

    @Test func keyRepeatIsIgnored() {
        #expect(Self.typed(Self.press(30) + Self.event(1, 30, 2) + Self.event(1, 30, 2) + Self.release(30)) == "a")
    }

    @Test func splitEventsAreCombined() {
        let events = Self.shifted(30) + Self.stroke(48) + Self.stroke(28)
        for cut in 0...events.count {
            var wedge = KeyboardWedge()
            let typed = wedge.take(Array(events[..<cut])) + wedge.take(Array(events[cut...]))
            #expect(String(decoding: typed, as: UTF8.self) == "Ab\n")
        }
    }
}
