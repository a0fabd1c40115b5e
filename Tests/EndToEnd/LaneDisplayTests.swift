import DeviceEmulation
import FoundationEssentials
import Runtime
import TestSupport
import Testing

/// The real gate shows the journaled verdicts on a terminal and to a kiosk.
@Suite struct LaneDisplayTests {
    @Test func terminalShowsVerdictsAndFaults() async throws {
        try await NamedThread.run("terminal") {
            let lane = try DeviceLane()
            let screen = try PseudoTerminal()
            var shown = ""
            // Collects the output of the gate from the call on, until the condition is true.
            func until(_ what: String, _ isTrue: (String) -> Bool) throws {
                shown = ""
                try eventually(what, everyMs: 1) {
                    shown += String(decoding: screen.read(timeoutMs: 20), as: UTF8.self)
                    return isTrue(shown)
                }
            }
            try lane.start(["--display", "terminal"], output: .file(screen.path))
            try until("the idle screen") { $0.contains("reader ready") && $0.contains("Hall") }
            lane.reader.present(.plain(DeviceLane.person(0)))
            try until("green, one bell") { $0.contains("48;5;28m") && $0.contains("\u{7}") }
            #expect(!shown.contains("48;5;160m"))
            lane.reader.present(.plain([1, 2, 3, 4]))
            try until("red, three bells") { $0.contains("48;5;160m") && $0.count { $0 == "\u{7}" } == 3 }
            lane.reader.removeTag()
            lane.reader.unplug()
            try until("the fault, in amber") {
                $0.contains("READER OUT OF ORDER") && $0.contains("48;5;214m")
            }
            try lane.reader.plug()
            try until("the idle screen again") { $0.contains("reader ready") }
            lane.gate?.kill(15)
            try until("the former content of the terminal") { $0.hasSuffix("\u{1b}[?1049l") }
            #expect(try lane.gate?.wait() == .exit(0))
            #expect(try lane.verdicts() == [0, 1])
        }
    }

    @Test func kioskLinesMatchTheJournal() async throws {
        try await NamedThread.run("kiosk") {
            let lane = try DeviceLane()
            try lane.start(["--display", "json"])
            func next(_ what: String, _ isTrue: (KioskLine) -> Bool) throws -> KioskLine {
                while true {
                    guard let text = try lane.gate?.line() else {
                        throw TestFailure("the gate ended before \(what)\(lane.log())")
                    }
                    let line = try KioskLine(text)
                    if isTrue(line) { return line }
                }
            }
            _ = try next("the lane works") { $0.show == "state" && $0.gate == "Main" }
            var answers: [KioskLine] = []
            for tag in [EmulatedTag.plain(DeviceLane.person(0)), .plain([1, 2, 3, 4]), .plain([0x08, 1, 2, 3])] {
                lane.reader.present(tag)
                answers.append(try next("an answer") { $0.show == "answer" && $0.repeat == false })
            }
            lane.reader.removeTag()
            #expect(answers.map(\.green) == [true, false, false])
            #expect(answers.map(\.name) == ["admitted", "unknown", "not-authentic"])
            #expect(answers.last?.detail == "random UID")
            lane.reader.unplug()
            _ = try next("the reader is out of order") { $0.readers?.first?.problem != nil }
            try lane.reader.plug()
            _ = try next("the reader works") { $0.show == "state" && $0.readers?.first?.problem == nil }
            try lane.stop()
            let rows = try lane.journal()
            for answer in answers {
                let row = rows.first { $0.seq == answer.seq }
                #expect(row?.verdict == answer.verdict, "\(answer)")
                #expect(row?.tag != 0)
            }
            #expect(try lane.verdicts() == answers.compactMap(\.verdict))
        }
    }
}

/// One line of `--display json`.
private struct KioskLine: Decodable {
    let show: String
    let green: Bool?
    let seq, verdict: Int64?
    let name, detail, gate: String?
    let `repeat`: Bool?
    let readers: [LaneStatus.Reader]?

    init(_ text: String) throws {
        do { self = try JSONDecoder().decode(KioskLine.self, from: Data(text.utf8)) } catch {
            throw TestFailure("not a kiosk line: \(text): \(error)")
        }
    }
}
