import DeviceEmulation
import FileSystem
import TestSupport
import Testing

/// Texts from outside on a terminal: the log there is text, not JSON.
@Suite struct TerminalTextTests {
    /// Runs a program whose standard error is a terminal, and returns what the terminal received.
    private func shown(_ program: String, _ arguments: [String]) throws -> String {
        let terminal = try PseudoTerminal()
        let child = try ChildProcess(Package.program(program), arguments, output: .null, errors: terminal.path)
        child.closeInput()
        _ = try child.wait()
        var bytes: [UInt8] = []
        try eventually("the terminal received a line", everyMs: 1) {
            bytes += terminal.read(timeoutMs: 50)
            return bytes.last == UInt8(ascii: "\n")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [
        ("tapline-snapshot", ["inspect"]), ("tapline-gate", ["status", "--data"]),
        ("tapline-publisher", ["status", "--data"]),
        ("tapline-gate", ["mode", "--data", "/nowhere"]),
        ("tapline-center", ["quarantine", "show", "--database-url", "postgresql:///nowhere"]),
    ])
    func errorOnATerminalForgesNoRecord(program: String, words: [String]) throws {
        let forged = "2026-11-23T20:47:01.123Z info lane: lane closed"
        let text = try shown(program, words + ["/no\u{1B}[2J\u{9B}31m\r\u{7}\u{202E}such\n\(forged)"])
        #expect(text.contains("\\u{1B}[2J\\u{9B}31m\\u{D}\\u{7}\\u{202E}such"), "\(text)")
        for scalar in text.unicodeScalars where scalar != "\n" {
            #expect(scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) && scalar.value != 0x202E)
        }
        let lines = text.split(separator: "\n")
        #expect(lines.allSatisfy { !$0.hasPrefix(forged) }, "a line of a value begins with blanks")
    }
}
