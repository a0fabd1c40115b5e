import AccessControl
import DeviceEmulation
import FileSystem
import GateController
import Glibc
import LinuxSystem
import ScanModel
import SerialPorts
import Snapshots
import Synchronization
import TestSupport
import Testing

@testable import DataFolder
@testable import LaneDisplay
@testable import Runtime

@Suite struct DisplayTests {
    private static let verdicts: [Verdict] =
        (0...9).map { Verdict(rawValue: $0) } + [.annulled, .admittedManually, Verdict(rawValue: 99)]
    private static let pass = Pass(id: 1, name: "VIP", colour: "gold", note: "check ID", access: [])

    @Test(arguments: DisplayLanguage.allCases, [(24, 80), (8, 20), (60, 200), (1, 1), (25, 40)])
    func everyScreenFitsItsTerminal(language: DisplayLanguage, size: (Int, Int)) {
        let layout = DisplayLayout(rows: size.0, columns: size.1, language: language)
        var state = LaneState()
        (state.gate, state.zone, state.snapshot, state.alarms) = ("North 1", "Arena", 5, ["disk 85 % full"])
        var screens = LaneMode.allCases.map { mode in
            state.mode = mode
            return layout.idle(state, nowS: 1_800_000_000)
        }
        screens += Self.verdicts.map { layout.answer(signal($0, .reuse, pass: Self.pass, detail: "random UID")) }
        screens += [true, false].map { layout.failed("the journal cannot be written", opens: $0) }
        for screen in screens {
            #expect(screen.rows.count == max(8, size.0))
            #expect(screen.rows.allSatisfy { $0.text.count <= max(20, size.1) })
        }
    }

    /// Colour, shape and words each tell the answers apart; on the usual terminal every title is drawn big, in both languages.
    @Test(arguments: DisplayLanguage.allCases) func everyTitleIsBigAndItsOwn(language: DisplayLanguage) {
        let layout = DisplayLayout(rows: 24, columns: 80, language: language)
        var seen: Set<String> = []
        for verdict in Self.verdicts where verdict != .admittedManually {
            let words = DisplayWords.title(signal(verdict), language)
            let screen = layout.answer(signal(verdict, zone: nil))
            let text = screen.rows.map(\.text).joined(separator: "\n")
            #expect(seen.insert(text).inserted, "\(verdict.name) looks like another")
            #expect(!words.contains { text.contains($0) }, "\(words) is not drawn big")
            #expect(text.contains("█"))
            let colour: DisplayScreen.Colour = verdict == .admitted ? .green : verdict == .annulled ? .amber : .red
            #expect(screen.rows.allSatisfy { $0.colour == colour })
        }
    }

    @Test func thePassIsShownWithItsColourAndNote() {
        let layout = DisplayLayout(rows: 30, columns: 100, language: .en)
        let screen = layout.answer(
            signal(pass: Pass(id: 1, name: "زائر", colour: "purple", note: "a note of 日本", access: [])))
        #expect(screen.rows.contains { $0.text.contains("زائر") && $0.colour == .purple })
        #expect(screen.rows.contains { $0.text.contains("a note of 日本") && $0.colour == .amber })
        #expect(layout.answer(signal(pass: Self.pass)).rows.count { $0.colour == .amber } == 10)
    }

    @Test func theIdleScreenSaysWhatTheCrewNeeds() {
        let layout = DisplayLayout(rows: 30, columns: 100, language: .en)
        var state = LaneState()
        (state.scanner, state.gate, state.zone, state.snapshot) = ("lane-7", "Émile", "Arena", 12)
        (state.snapshotCreatedS, state.snapshotExpiresS, state.backlog) = (1_000, 900_000, 43)
        state.readers = [
            .init(name: "nfc:auto", direction: .in), .init(name: "serial:/dev/x", direction: .out, problem: "gone"),
        ]
        state.turnstileProblem = "pulled"
        state.alarms = ["disk 85 % full"]
        let text = layout.idle(state, nowS: 1_000 + 90_000).rows.map(\.text).joined(separator: "\n")
        for words in [
            "lane-7", "Émile", "Arena", "list 12, 1 d 1 h old", "43 scans waiting", "disk 85 % full",
            "READER OUT OF ORDER: serial:/dev/x: gone", "TURNSTILE OUT OF ORDER: pulled",
        ] { #expect(text.contains(words), "\(words)") }
        #expect(!text.contains("EXPIRED"))
        #expect(layout.idle(state, nowS: 900_000).rows.contains { $0.text.contains("EXPIRED") && $0.colour == .amber })
        state.readers[0].problem = "mute"
        let broken = layout.idle(state, nowS: 91_000)
        #expect(broken.rows.count { $0.colour == .amber } > 15, "all readers are lost: the whole screen says so")
    }

    @Test func noNameSteersTheTerminal() {
        let layout = DisplayLayout(rows: 24, columns: 80, language: .en)
        let evil = "a\u{1b}[2Jb\n\r\u{7}\u{9b}31m\u{202e}"
        var state = LaneState()
        (state.gate, state.zone, state.scanner, state.alarms, state.turnstileProblem) = (
            evil, evil + "z", evil, [evil], evil
        )
        let screens = [
            layout.idle(state, nowS: 0), layout.failed(evil),
            layout.answer(
                signal(zone: evil, pass: Pass(id: 1, name: evil, colour: evil, note: evil, access: []), detail: evil)),
        ]
        for row in screens.flatMap(\.rows) {
            #expect(
                !row.text.unicodeScalars.contains {
                    $0.value < 32 || (127..<160).contains($0.value) || $0.value == 0x202e
                })
        }
    }

    @Test func kioskLinesAreOneObjectEach() {
        #expect(
            KioskDisplay.line(.answer(signal(pass: Self.pass, opens: true)))
                == #"{"show":"answer","green":true,"log":"00000000-0000-0001-0000-000000000002","seq":7,"verdict":0"#
                + #","name":"admitted","direction":"in","zone":"Arena","title":{"en":"WELCOME","ar":"أهلاً"}"#
                + #","pass":{"name":"VIP","colour":"gold","note":"check ID"},"detail":null,"repeat":false,"opens":true"#
                + #","at":"2027-01-15T08:00:00.000Z"}"#)
        #expect(
            KioskDisplay.line(.failed(reason: "disk \"full\"\n"))
                == #"{"show":"failed","green":false,"opens":false,"title":{"en":"CALL STAFF","ar":"نادِ الموظف"}"#
                + #","reason":"disk \"full\"\n"}"#)
        #expect(
            KioskDisplay.line(.failed(reason: "x", opens: true))
                == #"{"show":"failed","green":true,"opens":true,"title":{"en":"GOODBYE","ar":"مع السلامة"},"reason":"x"}"#
        )
        #expect(!KioskDisplay.line(.state(LaneState())).contains("\n"))
    }

    /// A way out that could not be logged is open: nobody who may go is shown a refusal, and the crew is told.
    @Test(arguments: DisplayLanguage.allCases) func anUnloggedWayOutLooksOpen(language: DisplayLanguage) {
        let layout = DisplayLayout(rows: 24, columns: 80, language: language)
        let refused = layout.failed("the disk is full")
        #expect(refused.rows.allSatisfy { $0.colour == .red })
        let open = layout.failed("the disk is full", opens: true)
        let banner = open.rows.filter { $0.colour == .green }.map(\.text)
        #expect(banner.count > 10 && banner.contains { $0.contains("█") })
        #expect(!open.rows.contains { $0.colour == .red })
        #expect(banner != refused.rows.prefix(banner.count).map(\.text))
        let said = language == .en ? "not logged: the disk is full" : "لم يسجل: القرص ممتلئ"
        #expect(open.rows.contains { $0.colour == .amber && $0.text.contains(said) })
        if language == .ar { #expect(open.rows.contains { $0.colour == .amber && $0.text.contains("نادِ الموظف") }) }
    }

    @Test(arguments: [
        ("disk 85 % full", "القرص ممتلئ بنسبة 85 %"), ("clock not trusted", "الساعة غير موثوقة"),
        ("3 damaged journals set aside: recover them", "سجلات تالفة: 3، يجب استرجاعها"),
        ("the disk is full: 3 of 64 reserves are left", "القرص ممتلئ: بقي من الاحتياطي 3 من 64"),
        ("open /dev/ttyUSB0: No such file or directory", "open /dev/ttyUSB0: غير موجود"),
        (
            "the journal cannot be tidied: /j: the disk is full (insert 7)",
            "لا يمكن ترتيب السجل: /j: القرص ممتلئ (insert 7)"
        ),
        ("relay 2 does not switch off", "المرحل 2 لا ينطفئ"),
        ("the relay board has 2 channels, channel 4 is used", "في لوحة المرحلات 2 قنوات، والقناة 4 مستخدمة"),
        ("", ""), (": ", ": "), ("#", "#"), ("something else, 5", "something else, 5"),
    ])
    func knownWordsAreSaidInArabic(words: String, arabic: String) {
        #expect(DisplayWords.said(words, .ar) == arabic)
        #expect(DisplayWords.said(words, .en) == words)
    }

    /// The words stand in the lane's sources; a new one without its Arabic is found here.
    @Test func everyConstantWordOfTheLaneIsKnownInArabic() throws {
        let folder = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined() + "/Sources/Scanner/GateController/"
        var found = 0
        for (file, marks) in [
            ("Lane+State.swift", ["alarms.append(\""]), ("Lane+Taps.swift", ["return \"", "? \"lane", ": \"lane"]),
            ("Lane+Orders.swift", ["ordersProblem = \"", "detail: \""]),
            ("ControlServer.swift", ["deskProblem) = (nil, \""]),
        ] {
            let text = String(decoding: try Files.read(folder + file, limit: 100_000), as: UTF8.self)
            for line in text.split(separator: "\n") {
                for mark in marks {
                    guard let begin = line.firstRange(of: mark)?.upperBound else { continue }
                    let start = mark.hasSuffix("lane") ? line.index(begin, offsetBy: -4) : begin
                    // A value in the middle is a number.
                    let raw = String(line[start...].prefix { $0 != "\"" })
                    let words = raw.replacing(#/\\\(.*?\)/#, with: "7")
                    #expect(DisplayWords.said(words, .ar) != words, "\(words)")
                    found += 1
                }
            }
        }
        #expect(found >= 15, "\(found)")
    }

    /// On a real terminal: green with one bell, red with three, the idle screen again, and the screen of before at the end.
    @Test func speaksToARealTerminal() async throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        let display = TerminalDisplay(language: .en, descriptor: port.descriptor)
        let running = Running(display.service())
        var said = ""
        func until(_ what: String, _ isSo: (String) -> Bool) throws {
            try eventually(what, everyMs: 1) {
                said += String(decoding: terminal.read(timeoutMs: 20), as: UTF8.self)
                return isSo(said)
            }
        }
        try until("idle without a gate") { $0.contains("48;5;214m") && $0.contains("no list") }
        said = ""
        display.take(.answer(signal(.admitted)))
        try until("green, one bell") { $0.contains("48;5;28m") && $0.contains("\u{7}") }
        try until("idle again") { $0.contains("no list") }
        #expect(said.count { $0 == "\u{7}" } == 1)
        said = ""
        display.take(.answer(signal(.lost)))
        try until("red, three bells") { $0.contains("48;5;160m") && $0.count { $0 == "\u{7}" } == 3 }
        display.take(.answer(signal(.admitted)))
        try until("the next person is not kept waiting") { $0.contains("48;5;28m") }
        let end = Mutex(false)
        let ending = Task.immediate {
            try await running.end()
            end.withLock { $0 = true }
        }
        try until("the screen of before") { $0.hasSuffix("\u{1b}[?1049l") }
        try await ending.value
        #expect(end.withLock { $0 })
    }
    @Test func speaksArabicToARealTerminal() async throws {
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
        (state.gate, state.alarms) = ("بوابة 1", ["disk 91 % full", "clock not trusted"])
        state.readers = [
            .init(name: "nfc:auto", direction: .in, problem: "the reader does not answer"),
            .init(name: "stdin", direction: .out),
        ]
        state.turnstileProblem = "relay 1 does not switch off"
        display.take(.state(state))
        let running = Running(display.service())
        try until("the idle screen") { text in
            [
                "القرص ممتلئ بنسبة 91 %", "الساعة غير موثوقة", "القارئ معطل: nfc:auto: القارئ لا يستجيب",
                "الباب الدوار معطل: المرحل 1 لا ينطفئ", "لا قائمة",
            ].allSatisfy { text.contains($0) }
        }
        display.take(.answer(signal(.notAuthentic, zone: nil, detail: "random UID")))
        try until("red with the reason") { $0.contains("48;5;160m") && $0.contains("رقم عشوائي") && $0.contains("█") }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("random UID"))
        display.take(.failed(reason: "the disk is full", opens: true))
        try until("a way out that is open, for the crew to look at") {
            $0.contains("48;5;28m") && $0.contains("48;5;214m") && $0.contains("لم يسجل: القرص ممتلئ")
        }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("48;5;160m"))
        let ending = Task.immediate { try await running.end() }
        try until("the screen of before") { $0.hasSuffix("\u{1b}[?1049l") }
        try await ending.value
    }

    /// Neither a terminal nor a kiosk that nobody reads holds the gate when it stops.
    @Test func aScreenThatNobodyReadsLetsGo() async throws {
        let terminal = try PseudoTerminal()
        let port = try SerialPort(terminal.path)
        // As a shell hands it on: a write(2) waits.
        let flags = fcntl(port.descriptor, F_GETFL)
        #expect(fcntl(port.descriptor, F_SETFL, flags & ~O_NONBLOCK) == 0)
        // Until it is full, in pieces of every size: poll(2) promises room, not how much.
        let screen = Terminal(descriptor: port.descriptor)
        #expect(throws: SystemError.self) {
            for length in 1...2_000 { try screen.write(String(repeating: "x", count: length), timeoutMs: 50) }
        }
        let display = TerminalDisplay(descriptor: port.descriptor)
        let running = Running(display.service())
        display.take(.answer(signal(.admitted)))
        try await running.end()
        #expect(terminal.read(timeoutMs: 1_000).count > 1_000)
    }

    @Test func aKioskThatDoesNotReadLetsGo() async throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let kiosk = KioskDisplay(descriptor: ends[1])
        let running = Running(kiosk.service())
        for number in 0..<400 {
            kiosk.take(.answer(signal(number % 2 == 0 ? .admitted : .lost)))
            usleep(1_000)
        }
        try await running.end()
        var first = [UInt8](repeating: 0, count: 200_000)
        let count = read(ends[0], &first, first.count)
        #expect(count > 50_000)
        #expect(String(decoding: first.prefix { $0 != 10 }, as: UTF8.self).hasSuffix("Z\"}"))
    }
}
