import AccessControl
import DeviceEmulation
import FileSystem
import GateController
import Glibc
import LinuxSystem
import Runtime
import ScanJournal
import ScanModel
import SerialPorts
import Snapshots
import TestSupport
import Testing

@testable import DataFolder
@testable import LaneDisplay

@Suite struct DisplayTests {
    private static let verdicts: [Verdict] =
        (0...9).map { Verdict(rawValue: $0) } + [.annulled, .admittedManually, Verdict(rawValue: 99)]
    private static let pass = Pass(id: 1, name: "VIP", colour: "gold", note: "check ID", access: [])

    @Test(arguments: DisplayLanguage.allCases, [(24, 80), (8, 20), (60, 200), (1, 1), (25, 40)])
    func everyScreenFitsItsTerminal(language: DisplayLanguage, size: (Int, Int)) {
        let layout = DisplayLayout(rows: size.0, columns: size.1, language: language)
        var state = LaneState()
        (state.gate, state.zone, state.snapshot, state.alarms) = ("North 1", "Arena", 5, [.diskFull(percent: 85)])
        var screens = LaneMode.allCases.map { mode in
            state.mode = mode
            return layout.idle(state, nowS: 1_800_000_000)
        }
        screens += Self.verdicts.map {
            layout.verdict(result($0, .reuse, pass: Self.pass, detail: .unreadable(.randomUID)))
        }
        screens += [true, false].map { layout.failed(.manualAdmissionNotJournaled, opens: $0) }
        for screen in screens {
            #expect(screen.rows.count == max(8, size.0))
            #expect(screen.rows.allSatisfy { $0.text.count <= max(20, size.1) })
        }
    }

    /// Colour, shape and words distinguish the answers. On 80 columns, every title is drawn big, in both languages.
    @Test(arguments: DisplayLanguage.allCases) func everyTitleIsBigAndDistinct(language: DisplayLanguage) {
        let layout = DisplayLayout(rows: 24, columns: 80, language: language)
        var seen: Set<String> = []
        for verdict in Self.verdicts where verdict != .admittedManually {
            let words = DisplayWords.title(result(verdict), language)
            let screen = layout.verdict(result(verdict, zone: nil))
            let text = screen.rows.map(\.text).joined(separator: "\n")
            #expect(seen.insert(text).inserted, "\(verdict.name) looks like another")
            #expect(!words.contains { text.contains($0) }, "\(words) is not drawn big")
            #expect(text.contains("█"))
            let colour: DisplayScreen.Colour = verdict == .admitted ? .green : verdict == .annulled ? .amber : .red
            #expect(screen.rows.allSatisfy { $0.colour == colour })
        }
    }

    @Test func passIsShownWithColourAndNote() {
        let layout = DisplayLayout(rows: 30, columns: 100, language: .en)
        let screen = layout.verdict(
            result(pass: Pass(id: 1, name: "زائر", colour: "purple", note: "a note of 日本", access: [])))
        #expect(screen.rows.contains { $0.text.contains("زائر") && $0.colour == .purple })
        #expect(screen.rows.contains { $0.text.contains("a note of 日本") && $0.colour == .amber })
        #expect(layout.verdict(result(pass: Self.pass)).rows.count { $0.colour == .amber } == 10)
    }

    @Test func idleScreenShowsStateAndProblems() {
        let layout = DisplayLayout(rows: 30, columns: 100, language: .en)
        var state = LaneState()
        (state.scanner, state.gate, state.zone, state.snapshot) = ("lane-7", "Émile", "Arena", 12)
        (state.snapshotCreatedS, state.snapshotExpiresS, state.backlog) = (1_000, 900_000, 43)
        state.readers = [
            .init(name: "nfc:auto", direction: .in),
            .init(name: "serial:/dev/x", direction: .out, problem: .other("gone")),
        ]
        state.turnstileProblem = .boardNotResponding
        state.alarms = [.diskFull(percent: 85)]
        let text = layout.idle(state, nowS: 1_000 + 90_000).rows.map(\.text).joined(separator: "\n")
        for words in [
            "lane-7", "Émile", "Arena", "snapshot 12, 1 d 1 h old", "43 scans waiting", "disk 85 % full",
            "READER OUT OF ORDER: serial:/dev/x: gone", "TURNSTILE OUT OF ORDER: the relay board does not answer",
        ] { #expect(text.contains(words), "\(words)") }
        #expect(!text.contains("EXPIRED"))
        #expect(layout.idle(state, nowS: 900_000).rows.contains { $0.text.contains("EXPIRED") && $0.colour == .amber })
        state.readers[0].problem = .notResponding
        let broken = layout.idle(state, nowS: 91_000)
        #expect(
            broken.rows.count { $0.colour == .amber } > 15, "all readers are out of order: the whole screen is amber")
    }

    @Test func namesCannotControlTheTerminal() {
        let layout = DisplayLayout(rows: 24, columns: 80, language: .en)
        let evil = "a\u{1b}[2Jb\n\r\u{7}\u{9b}31m\u{202e}"
        var state = LaneState()
        (state.gate, state.zone, state.scanner) = (evil, evil + "z", evil)
        state.alarms = [.journalMaintenanceFailed(.other(evil))]
        state.turnstileProblem = .other(evil)
        state.readers = [.init(name: evil, direction: .in, problem: .other(evil))]
        let screens = [
            layout.idle(state, nowS: 0), layout.failed(.notJournaled(.other(evil))),
            layout.verdict(
                result(zone: evil, pass: Pass(id: 1, name: evil, colour: evil, note: evil, access: []))),
        ]
        for row in screens.flatMap(\.rows) {
            #expect(
                !row.text.unicodeScalars.contains {
                    $0.value < 32 || (127..<160).contains($0.value) || $0.value == 0x202e
                })
        }
    }

    @Test func kioskLineIsOneObject() {
        #expect(
            KioskDisplay.line(.verdict(result(pass: Self.pass, opens: true)))
                == #"{"show":"answer","green":true,"log":"00000000-0000-0001-0000-000000000002","seq":7,"verdict":0"#
                + #","name":"admitted","direction":"in","zone":"Arena","title":{"en":"WELCOME","ar":"أهلاً"}"#
                + #","pass":{"name":"VIP","colour":"gold","note":"check ID"},"detail":null,"inside":null"#
                + #","repeat":false,"opens":true,"at":"2027-01-15T08:00:00.000Z"}"#)
        #expect(
            KioskDisplay.line(.failed(.notJournaled(.other("disk \"full\"\n"))))
                == #"{"show":"failed","green":false,"opens":false,"title":{"en":"CALL STAFF","ar":"نادِ الموظف"}"#
                + #","reason":"disk \"full\"\n"}"#)
        #expect(
            KioskDisplay.line(.failed(.notJournaled(.other("x")), opens: true))
                == #"{"show":"failed","green":true,"opens":true,"title":{"en":"GOODBYE","ar":"مع السلامة"}"#
                + #","reason":"x"}"#)
        #expect(!KioskDisplay.line(.state(LaneState())).contains("\n"))
    }

    /// The person sees an open way, and the crew is called.
    @Test(arguments: DisplayLanguage.allCases) func exitThatIsNotJournaledIsShownAsOpen(language: DisplayLanguage) {
        let layout = DisplayLayout(rows: 24, columns: 80, language: language)
        let failure = TapFailure.notJournaled(.diskFull(path: "/j", text: "/j: the disk is full"))
        let rejected = layout.failed(failure)
        #expect(rejected.rows.allSatisfy { $0.colour == .red })
        let open = layout.failed(failure, opens: true)
        let banner = open.rows.filter { $0.colour == .green }.map(\.text)
        #expect(banner.count > 10 && banner.contains { $0.contains("█") })
        #expect(!open.rows.contains { $0.colour == .red })
        #expect(banner != rejected.rows.prefix(banner.count).map(\.text))
        let text = language == .en ? "not journaled: /j: the disk is full" : "لم يسجل: /j: القرص ممتلئ"
        #expect(open.rows.contains { $0.colour == .amber && $0.text.contains(text) })
        if language == .ar { #expect(open.rows.contains { $0.colour == .amber && $0.text.contains("نادِ الموظف") }) }
    }

    @Test(arguments: [
        (Alarm.diskFull(percent: 85), "القرص ممتلئ بنسبة 85 %"), (.clockNotTrusted, "الساعة غير موثوقة"),
        (.damagedJournals(3), "سجلات تالفة: 3، يجب استرجاعها"),
        (.journal(.reserveInUse(remaining: 3, total: 64)), "القرص ممتلئ: بقي من الاحتياطي 3 من 64"),
        (
            .journalMaintenanceFailed(.diskFull(path: "/j", text: "/j: the disk is full (insert 7)")),
            "لا يمكن ترتيب السجل: /j: القرص ممتلئ"
        ),
        (.journal(.walNotPreallocated(.other("x 5"))), "لا مساحة لملف السجل: x 5"),
    ])
    func alarmIsTranslated(alarm: Alarm, arabic: String) {
        #expect(alarm.text(.ar) == arabic)
        #expect(alarm.text(.en) == alarm.description)
    }

    @Test func problemsAreTranslated() {
        let missing = SystemError("open /dev/ttyUSB0", code: ENOENT)
        #expect(ReaderProblem.system(missing).text(.ar) == "open /dev/ttyUSB0: غير موجود")
        #expect(TurnstileProblem.system(missing).text(.ar) == "open /dev/ttyUSB0: غير موجود")
        #expect(TurnstileProblem.system(missing).text(.en) == "open /dev/ttyUSB0: No such file or directory")
        #expect(TurnstileProblem.relayStuck(channel: 2, isOn: false).text(.ar) == "المرحل 2 لا ينطفئ")
        #expect(
            TurnstileProblem.tooFewChannels(count: 2, used: 4).text(.ar)
                == "في لوحة المرحلات 2 قنوات، والقناة 4 مستخدمة")
        #expect(
            ReaderProblem.driver(.timeout, operation: "open nfc", cause: "no answer").text(.ar)
                == "open nfc: لا رد في الوقت")
        #expect(ReaderProblem.driver(.other, operation: "open nfc", cause: "odd").text(.ar) == "open nfc: odd")
        #expect(
            TapFailure.notJournaled(.system(SystemError("write /j", code: ELOOP))).text(.ar).hasPrefix("write /j: "))
    }

    /// Green with one bell, red with three, the idle screen again, and the previous screen at the end.
    @Test func answersAreShownOnARealTerminal() throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        let display = TerminalDisplay(language: .en, descriptor: port.descriptor)
        let running = RunningService(display.service())
        var shown = ""
        func until(_ what: String, _ isSo: (String) -> Bool) throws {
            try eventually(what, everyMs: 1) {
                shown += String(decoding: terminal.read(timeoutMs: 20), as: UTF8.self)
                return isSo(shown)
            }
        }
        try until("idle without a gate") { $0.contains("48;5;214m") && $0.contains("no snapshot") }
        shown = ""
        display.receive(.verdict(result(.admitted)))
        try until("green, one bell") { $0.contains("48;5;28m") && $0.contains("\u{7}") }
        try until("idle again") { $0.contains("no snapshot") }
        #expect(shown.count { $0 == "\u{7}" } == 1)
        shown = ""
        display.receive(.verdict(result(.lost)))
        try until("red, three bells") { $0.contains("48;5;160m") && $0.count { $0 == "\u{7}" } == 3 }
        display.receive(.verdict(result(.admitted)))
        try until("the next answer replaces it") { $0.contains("48;5;28m") }
        running.stop()
        try until("the previous screen") { $0.hasSuffix("\u{1b}[?1049l") }
        try running.end()
    }

    @Test func arabicIsShownOnARealTerminal() throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        let display = TerminalDisplay(language: .ar, descriptor: port.descriptor)
        var bytes: [UInt8] = []
        func until(_ what: String, _ isSo: (String) -> Bool) throws {
            bytes = []
            try eventually(what, everyMs: 1) {
                bytes += terminal.read(timeoutMs: 20)
                return isSo(String(decoding: bytes, as: UTF8.self))
            }
        }
        var state = LaneState()
        (state.gate, state.alarms) = ("بوابة 1", [.diskFull(percent: 91), .clockNotTrusted])
        state.readers = [
            .init(name: "nfc:auto", direction: .in, problem: .notResponding),
            .init(name: "stdin", direction: .out),
        ]
        state.turnstileProblem = .relayStuck(channel: 1, isOn: false)
        display.receive(.state(state))
        let running = RunningService(display.service())
        try until("the idle screen") { text in
            [
                "القرص ممتلئ بنسبة 91 %", "الساعة غير موثوقة", "القارئ معطل: nfc:auto: القارئ لا يستجيب",
                "الباب الدوار معطل: المرحل 1 لا ينطفئ", "لا قائمة",
            ].allSatisfy { text.contains($0) }
        }
        display.receive(.verdict(result(.notAuthentic, zone: nil, detail: .unreadable(.randomUID))))
        try until("red with the reason") { $0.contains("48;5;160m") && $0.contains("رقم عشوائي") && $0.contains("█") }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("random UID"))
        display.receive(.failed(.notJournaled(.diskFull(path: "/j", text: "/j: the disk is full")), opens: true))
        try until("an open way out with a call for the crew") {
            $0.contains("48;5;28m") && $0.contains("48;5;214m") && $0.contains("لم يسجل: /j: القرص ممتلئ")
        }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("48;5;160m"))
        running.stop()
        try until("the previous screen") { $0.hasSuffix("\u{1b}[?1049l") }
        try running.end()
    }

    @Test func unreadTerminalDoesNotDelayTheStop() throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        // As a shell opens it: write(2) blocks.
        let flags = fcntl(port.descriptor, F_GETFL)
        #expect(fcntl(port.descriptor, F_SETFL, flags & ~O_NONBLOCK) == 0)
        // Until it is full, in pieces of every size, because poll(2) does not say how much room there is.
        let screen = Terminal(descriptor: port.descriptor)
        #expect(throws: SystemError.self) {
            for length in 1...2_000 { try screen.write(String(repeating: "x", count: length), timeoutMs: 50) }
        }
        let display = TerminalDisplay(descriptor: port.descriptor)
        let running = RunningService(display.service())
        display.receive(.verdict(result(.admitted)))
        try running.end()
        #expect(terminal.read(timeoutMs: 1_000).count > 1_000)
    }

    @Test func unreadKioskOutputDoesNotDelayTheStop() throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let kiosk = KioskDisplay(descriptor: ends[1])
        let running = RunningService(kiosk.service())
        var number = 0
        func send() {
            kiosk.receive(.verdict(result(number % 2 == 0 ? .admitted : .lost)))
            number += 1
        }
        try eventually("the pipe is full", everyMs: 1) {
            send()
            var state = pollfd(fd: ends[1], events: Int16(POLLOUT), revents: 0)
            return poll(&state, 1, 0) == 0
        }
        // The last page of the pipe may still have room for a few lines.
        for _ in 0..<64 { send() }
        try running.end()
        var first = [UInt8](repeating: 0, count: 200_000)
        let count = read(ends[0], &first, first.count)
        #expect(count > 50_000)
        #expect(String(decoding: first.prefix { $0 != 10 }, as: UTF8.self).hasSuffix("Z\"}"))
    }
}
