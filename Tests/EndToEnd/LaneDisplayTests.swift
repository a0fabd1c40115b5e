import DeviceEmulation
import FoundationEssentials
import Runtime
import TestSupport
import Testing

/// What the real gate shows, on a terminal and to a kiosk, is what it journals.
@Suite struct LaneDisplayTests {
    @Test func theTerminalIsGreenAndRed() async throws {
        try await NamedThread.run("terminal") {
            let lane = try DeviceLane()
            let screen = try PseudoTerminal()
            var said = ""
            // As the terminal has it, from the moment of the call on.
            func until(_ what: String, _ isSo: (String) -> Bool) throws {
                said = ""
                try eventually(what, everyMs: 1) {
                    said += String(decoding: screen.read(timeoutMs: 20), as: UTF8.self)
                    return isSo(said)
                }
            }
            try lane.start(["--display", "terminal"], output: .file(screen.path))
            try until("the idle screen") { $0.contains("reader ready") && $0.contains("Hall") }
            lane.reader.present(.plain(DeviceLane.person(0)))
            try until("green, one bell") { $0.contains("48;5;28m") && $0.contains("\u{7}") }
            #expect(!said.contains("48;5;160m"))
            lane.reader.present(.plain([1, 2, 3, 4]))
            try until("red at once, three bells") { $0.contains("48;5;160m") && $0.count { $0 == "\u{7}" } == 3 }
            lane.reader.removeTag()
            lane.reader.unplug()
            try until("says what is wrong, in amber") {
                $0.contains("READER OUT OF ORDER") && $0.contains("48;5;214m")
            }
            try lane.reader.plug()
            try until("the idle screen again") { $0.contains("reader ready") }
            lane.gate?.kill(15)
            try until("the screen of before") { $0.hasSuffix("\u{1b}[?1049l") }
            #expect(try lane.gate?.wait() == .exit(0))
            #expect(try lane.verdicts() == [0, 1])
        }
    }

    @Test func theKioskHearsWhatIsInTheJournal() async throws {
        try await NamedThread.run("kiosk") {
            let lane = try DeviceLane()
            try lane.start(["--display", "json"])
            func next(_ what: String, _ isSo: (KioskLine) -> Bool) throws -> KioskLine {
                while true {
                    guard let text = try lane.gate?.line(withinMs: 30_000) else {
                        throw TestFailure("the gate ended before \(what)\(lane.log())")
                    }
                    let line = try KioskLine(text)
                    if isSo(line) { return line }
                }
            }
            _ = try next("a lane that works") { $0.show == "state" && $0.gate == "Main" }
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
            _ = try next("a reader out of order") { $0.readers?.first?.problem != nil }
            try lane.reader.plug()
            _ = try next("a reader that works") { $0.show == "state" && $0.readers?.first?.problem == nil }
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
            throw TestFailure("not a line for a kiosk: \(text): \(error)")
        }
    }
}
