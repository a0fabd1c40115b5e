import ScanModel
import TestSupport
import Testing

@testable import Readers

struct CodeLinesTests {
    private static func codes(_ pieces: [[UInt8]]) -> [String] {
        var lines = CodeLines()
        return pieces.flatMap { lines.take($0, nowMs: 0) }.map(\.text)
    }

    private static func codes(_ text: String) -> [String] { codes([Array(text.utf8)]) }

    @Test func eachLineIsOneCode() {
        #expect(Self.codes("A1\nB2\r\nC3\rD4") == ["A1", "B2", "C3"])
        #expect(Self.codes("\n\r\n\n") == [])
        #expect(Self.codes(" A 1 \n") == ["A 1"], "spaces at the ends are no part of a code")
        #expect(Self.codes("تذكرة-٧\n") == ["تذكرة-٧"])
    }

    @Test(arguments: [
        "\u{2}TICKET-1\u{3}", "\u{2}TICKET-1\u{3}\r\n", "\u{2}TICKET-1\r\n\u{3}", "TICKET-1\t\r", "]Q1TICKET-1\r",
        "]C1TICKET-1\r\n", "\\000026TICKET-1\n", "]Q2\\000003TICKET-1\n", "\u{FEFF}TICKET-1\u{A0}\n",
        "\u{200F}TICKET-1\u{200B}\n", "\tTICKET-1\n",
    ])
    func marksOfScannersAreTakenOff(line: String) {
        var lines = CodeLines()
        #expect(lines.take(Array((line + line).utf8), nowMs: 0) == ["TICKET-1", "TICKET-1"])
        // The rest of a frame is no code that could not be read.
        #expect(lines.take([], nowMs: 10 * CodeLines.pauseMs) == [] && lines.rejected == 0)
    }

    @Test func invisibleCharacterWithinCodeIsNoise() {
        for invisible in ["\t", "\u{200B}", "\u{A0}", "\u{1D}", "\u{3}", "\u{85}"] {
            var lines = CodeLines()
            #expect(lines.take(Array("AB\(invisible)C\nD\n".utf8), nowMs: 0) == ["D"])
            #expect(lines.rejected == 1)
        }
        for control in ["\u{1}", "\u{4}", "\u{B}", "\u{1B}", "\u{1D}", "\u{1E}", "\u{7F}", "\u{85}"] {
            #expect(Self.codes("AB\(control)\n\(control)AB\nD\n") == ["D"], "at the ends, too")
        }
    }

    @Test func splitReadsGiveTheSameCodes() {
        let bytes = Array("تذكرة-٧\r\nSECOND\n".utf8)
        for cut in 0...bytes.count {
            #expect(Self.codes([Array(bytes[..<cut]), Array(bytes[cut...])]) == ["تذكرة-٧", "SECOND"])
        }
        #expect(Self.codes(bytes.map { [$0] }) == ["تذكرة-٧", "SECOND"])
    }

    @Test func tooLongLinesAreDropped() {
        let longest = String(repeating: "x", count: CodeText.limitBytes)
        #expect(Self.codes(longest + "\nA\n") == [longest, "A"])
        #expect(Self.codes("\u{2}]Q1\\000026\(longest)\t\u{3}\r\nA\n") == [longest, "A"])
        #expect(Self.codes(longest + "x\nA\n") == ["A"])
        #expect(Self.codes(String(repeating: "x", count: 1 << 20) + "\nA\n") == ["A"])
    }

    @Test(arguments: [[0x00], [0x1B], [0x7F], [0x1D], [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80]])
    func noiseDropsItsLine(noise: [UInt8]) {
        var lines = CodeLines()
        let bytes = Array("A".utf8) + noise + Array("1\nB2\n".utf8)
        #expect(lines.take(bytes, nowMs: 0) == ["B2"])
        #expect(lines.rejected == 1)
        // A line of noise counts as well.
        #expect(lines.take(noise + Array("\n".utf8), nowMs: 0) == [])
        #expect(lines.rejected == 2)
    }

    /// The end of a code was lost, and the next code must not be appended to it.
    @Test func incompleteLineIsDroppedAfterPause() {
        var lines = CodeLines()
        #expect(lines.take(Array("HALF".utf8), nowMs: 0) == [])
        #expect(lines.take(Array("WHOLE\n".utf8), nowMs: CodeLines.pauseMs + 1) == ["WHOLE"])
        #expect(lines.rejected == 1)
        // A slow line without a long pause is complete.
        #expect(lines.take(Array("SL".utf8), nowMs: 10_000) == [])
        #expect(lines.take(Array("OW\n".utf8), nowMs: 10_000 + CodeLines.pauseMs) == ["SLOW"])
        #expect(lines.rejected == 1)
    }

    @Test func faultIsKnownBeforeTheLineEnds() {
        var lines = CodeLines()
        for (text, fault) in [
            ("\u{1D}", .noise), (String(repeating: "x", count: CodeLines.limitBytes + 1), .tooLong),
        ] as [(String, DroppedRead)] {
            let before = lines.rejected
            #expect(lines.take(Array(text.utf8), nowMs: 0) == [])
            #expect(lines.isPartial && lines.lastFault == fault && lines.rejected == before + 1)
            #expect(lines.take(Array("y\n".utf8), nowMs: 0) == [])
            #expect(!lines.isPartial && lines.rejected == before + 1)
        }
        #expect(lines.take(Array("HALF".utf8), nowMs: 0) == [] && lines.isPartial)
        #expect(lines.take([], nowMs: CodeLines.pauseMs + 1) == [])
        #expect(!lines.isPartial && lines.lastFault == .incomplete)
    }

    @Test func randomBytesGiveOnlyValidCodes() {
        var random = TestRandom(11)
        var lines = CodeLines()
        for round in 0..<1_000 {
            let bytes = (0..<1_000).map { _ in
                Int.random(in: 0..<4, using: &random) == 0 ? UInt8.random(in: 0...255, using: &random) : 0x41
            }
            for code in lines.take(bytes, nowMs: Int64(round)) {
                #expect((1...CodeText.limitBytes).contains(code.text.utf8.count))
                #expect(!code.text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
            }
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
            + Self.stroke(48) + Self.stroke(28)
        #expect(lines.take(wedge.take(events), nowMs: 0) == ["b"])
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
