import DeviceEmulation
import GateController
import LinuxSystem
import Runtime
import ScanModel
import SerialPorts
import TestSupport
import Testing

@testable import LaneDisplay

/// Remarks for people whose tap was dropped, or who are already inside.
@Suite struct RemarkTests {
    @Test func alreadyInsideShowsSinceWhenAndWhere() {
        var inside = result(.alreadyInside)
        inside.earlier = EarlierAdmission(atMs: 1_800_000_000_000, gate: "North 1")
        let clock = LocalTime.clock(1_800_000_000)
        #expect(DisplayWords.remarks(inside, .en) == ["since \(clock) at North 1"])
        #expect(DisplayWords.remarks(inside, .ar) == ["منذ \(clock) عند North 1"])
        #expect(
            KioskDisplay.line(.verdict(inside)).contains(
                #""inside":{"since":"2027-01-15T08:00:00.000Z","gate":"North 1"}"#))
        inside.earlier = EarlierAdmission(atMs: nil, gate: "North 1")
        #expect(DisplayWords.remarks(inside, .en) == ["at North 1"])
    }

    @Test(arguments: DisplayLanguage.allCases) func droppedReadAsksToTryAgain(language: DisplayLanguage) {
        let layout = DisplayLayout(rows: 24, columns: 80, language: language)
        let words = language == .en ? "could not be read, try again" : "تعذرت القراءة، حاول مرة أخرى"
        for reason in DroppedRead.allCases {
            let screen = layout.dropped(reason)
            #expect(screen.rows.allSatisfy { $0.colour == .amber })
            #expect(screen.rows.contains { $0.text.contains(words) })
            #expect(screen.rows.contains { $0.text.contains(reason.text(language)) })
            #expect(screen.rows.contains { $0.text.contains("█") })
        }
        let random = layout.verdict(result(.notAuthentic, detail: .unreadable(.randomUID)))
        #expect(random.rows.contains { $0.text.contains(words) })
        #expect(
            KioskDisplay.line(.dropped(.incomplete))
                == #"{"show":"dropped","green":false,"title":{"en":"TRY AGAIN","ar":"أعد"}"#
                + #","text":{"en":"could not be read, try again","ar":"تعذرت القراءة، حاول مرة أخرى"}"#
                + #","reason":"incomplete"}"#)
    }

    @Test func droppedReadWaitsForTheVerdictOnTheScreen() throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        let display = TerminalDisplay(language: .en, descriptor: port.descriptor)
        var shown = ""
        func until(_ what: String, _ isSo: (String) -> Bool) throws {
            try eventually(what, everyMs: 1) {
                shown += String(decoding: terminal.read(timeoutMs: 20), as: UTF8.self)
                return isSo(shown)
            }
        }
        display.receive(.verdict(result(.admitted)))
        let begunMs = SystemClock.monotonicMs()
        display.receive(.dropped(.noise))
        let running = RunningService(display.service())
        try until("the verdict") { $0.contains("48;5;28m") }
        try until("the dropped read") { $0.contains("could not be read, try again") }
        #expect(SystemClock.monotonicMs() - begunMs >= TerminalDisplay.verdictMs)
        shown = ""
        try until("idle again") { $0.contains("no snapshot") }
        shown = ""
        display.receive(.verdict(result(.admitted)))
        display.receive(.dropped(.noise))
        display.receive(.verdict(result(.lost)))
        try until("the next verdict ends the wait") { $0.contains("48;5;160m") }
        running.stop()
        try until("the previous screen") { $0.hasSuffix("\u{1b}[?1049l") }
        #expect(!shown.contains("could not be read"))
        try running.end()
    }
}
