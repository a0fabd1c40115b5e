import QRCodes
import Testing

@Suite struct QRCodeTests {
    /// Position patterns are in three corners, and the module above the fourth corner's format is always dark.
    @Test func codeHasPatternsOfStandard() throws {
        let code = try QRCode("HELLO WORLD")
        #expect(code.width == 21)
        for (row, column) in [(0, 0), (0, 14), (14, 0)] {
            for step in 0..<7 {
                #expect(code.isDark(row: row, column: column + step))
                #expect(code.isDark(row: row + 6, column: column + step))
            }
            #expect(!code.isDark(row: row + 1, column: column + 1) && code.isDark(row: row + 3, column: column + 3))
        }
        #expect(code.isDark(row: 13, column: 8))
        #expect(!code.isDark(row: -1, column: 0) && !code.isDark(row: 0, column: 21))
    }

    @Test func denseTextsTakeSmallerCodes() throws {
        let dense = String(repeating: "AB23", count: 35)
        #expect(try QRCode(dense).width < QRCode(dense.lowercased()).width)
    }

    @Test func terminalTextShowsEachModuleAndTheMargin() throws {
        let code = try QRCode("HELLO WORLD")
        let lines = code.terminalText(hasColours: false).split(separator: "\n")
        #expect(lines.count == 15 && lines.allSatisfy { $0.count == 29 })
        #expect(lines[0].allSatisfy { $0 == "\u{2588}" } && lines[1].allSatisfy { $0 == "\u{2588}" })
        for row in 0..<21 {
            for column in 0..<21 {
                let character = Array(lines[(row + 4) / 2])[column + 4]
                let upper = " \u{2584}".contains(character)
                let lower = " \u{2580}".contains(character)
                #expect(((row + 4) % 2 == 0 ? upper : lower) == code.isDark(row: row, column: column))
            }
        }
        #expect(code.terminalText(hasColours: true).hasPrefix("\u{1B}[40;97m"))
    }

    @Test(arguments: ["", String(repeating: "x", count: 3_000), "a\u{0}b"])
    func textThatFitsNoCodeIsRefused(text: String) {
        #expect(throws: QRCodeError.self) { try QRCode(text) }
    }
}
