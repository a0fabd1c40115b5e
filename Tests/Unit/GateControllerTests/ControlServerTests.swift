import DataFolder
import FileSystem
import GateController
import Runtime
import ScanModel
import Snapshots
import TestSupport
import Testing

/// Operator commands against the real program.
@Suite struct ControlServerTests {
    private let venue: LaneFixture

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 100)
    }

    private func run(_ words: String...) throws -> Run {
        try Run.it("tapline-gate", words + ["--data", venue.data])
    }

    /// A running gate that has answered a tap, so its socket exists.
    private func gate(_ more: [String] = []) throws -> ChildProcess {
        let gate = try ChildProcess(
            Package.program("tapline-gate"), venue.arguments("--output", "json") + more)
        try gate.write("\(venue.hex(.delegate)),out\n")
        #expect(try gate.line()?.contains("admitted") == true)
        return gate
    }

    @Test func commandsReachTheRunningGate() throws {
        let gate = try gate()
        #expect(Files.status(DataFolderPaths.controlSocket(venue.data))?.mode == 0o660)
        #expect(try run("mode", "free").lines == ["mode free"])
        #expect(try run("admit", "--reason", "no wristband").end == .exit(0))
        #expect(try run("admit", venue.hex(.blocked), "--reason", "the minister").end == .exit(0))
        #expect(try run("assign", "Entrance").lines == ["the gate is now Entrance"])
        #expect(try run("assign", "Nowhere").end == .exit(1))
        #expect(try run("admit").end == .exit(78))
        #expect(try run("mode", "wide").end == .exit(64))
        #expect(try gate.stop() == .exit(0))
        #expect(try venue.journaled().map(\.verdict.rawValue) == [0, 129, 134, 0])
        #expect(!Files.exists(DataFolderPaths.controlSocket(venue.data)))
        #expect(try run("mode", "normal").end == .exit(69))
    }

    @Test func admissionNamesTheTagInSeveralWays() throws {
        let gate = try gate()
        func admit(_ words: String...) throws -> Run {
            try Run.it("tapline-gate", ["admit", "--reason", "ID checked", "--data", venue.data] + words)
        }
        #expect(try admit("--code", "TICKET 7").lines.first?.hasPrefix("admitted, unknown to the list,") == true)
        #expect(
            try admit("--tag", "\(venue.tag(.blocked).rawValue)").lines.first?.contains("blocked in the list") == true)
        #expect(try admit("--attendee", "1").lines.first?.contains("in the list with pass Delegate") == true)
        let text = try admit("TICKET-7")
        #expect(text.end == .exit(64) && text.errors.contains("use --code for the text of a code"))
        let short = try admit("cafe")
        #expect(short.end == .exit(1) && short.errors.contains("a UID has 4, 7 or 10 bytes, not 2"))
        #expect(try admit("04a1b201", "--code", "A").end == .exit(64))
        #expect(try admit("--attendee", "999").end == .exit(1))
        #expect(try gate.stop() == .exit(0))
        #expect(try venue.journaled().count == 4)
    }

    /// The center would get only the beginning of a longer one.
    @Test func reasonLongerThanANoteIsRefused() throws {
        let (longest, longer) = (String(repeating: "x", count: 256), String(repeating: "é", count: 129))
        let gate = try gate()
        #expect(try run("admit", "--reason", longest).end == .exit(0))
        for words in [["admit"], ["mode", "free"]] {
            let refused = try Run.it("tapline-gate", words + ["--reason", longer, "--data", venue.data])
            #expect(refused.end == .exit(64) && refused.errors.contains("258 bytes, but at most 256"))
        }
        #expect(try run("mode", "free", "--reason", " ").end == .exit(64))
        #expect(try gate.stop() == .exit(0))
        #expect(try venue.journaled().map(\.verdict.rawValue) == [0, 134])
    }

    @Test func socketOfAKilledGateIsReplaced() throws {
        do { try gate().kill() }
        #expect(Files.exists(DataFolderPaths.controlSocket(venue.data)))
        #expect(try run("mode", "closed").end == .exit(69))
        let gate = try gate()
        #expect(try run("mode", "closed").end == .exit(0))
        #expect(try gate.stop() == .exit(0))
    }

    @Test func assignmentIsSavedWhileNoGateRuns() throws {
        #expect(try run("assign", "Nowhere").end == .exit(1))
        #expect(try run("assign", "Entrance").end == .exit(0))
        do { #expect(try gate(["--gate", "Hall north"]).stop() == .exit(0)) }
        #expect(try run("assign", "--default").end == .exit(0))
        do { #expect(try gate(["--gate", "Hall north"]).stop() == .exit(0)) }
        #expect(try venue.journaled().map(\.gate) == [8, 7])
        #expect(try run("assign").end == .exit(64))
    }

    @Test func invalidRequestsAreRejected() throws {
        let gate = try gate()
        for line in ["", "{}", "[1]", #"{"order":"dance"}"#, #"{"order":"admit"}"#, #"{"order":"mode"}"#] {
            let client = try LocalSocket.connect(DataFolderPaths.controlSocket(venue.data))
            #expect(client.writeLine(line))
            #expect(client.readLine(withinMs: waitLimitMs)?.contains(#""done":false"#) == true)
        }
        do {
            let silent = try LocalSocket.connect(DataFolderPaths.controlSocket(venue.data))
            withExtendedLifetime(silent) {}
        }
        #expect(try run("mode", "free").end == .exit(0))
        #expect(try gate.stop() == .exit(0))
    }

    @Test func enrolmentFileHasTheLowestPriority() throws {
        let path = venue.folder.file("enrolment")
        func write(_ text: String, mode: UInt32 = 0o600) throws {
            try Files.writeAtomically(Array(text.utf8), to: path, mode: mode)
        }
        let good = """
            # gate 7
            TAPLINE_DATA=\(venue.data)
            TAPLINE_SCANNER="gate-7"
            TAPLINE_EVENT_KEY=\(String(repeating: "000f", count: 16))
            TAPLINE_READER=stdin
            """
        func check(_ more: String...) throws -> ChildProcess.End {
            try Run.it("tapline-gate", ["run", "--enrolment", path, "--check"] + more).end
        }
        try write(good)
        #expect(try check() == .exit(0))
        #expect(try check("--event-key-file", venue.keyFile) == .exit(0))
        #expect(try check("--scanner", "Gate 7") == .exit(78))
        try write(good, mode: 0o640)
        #expect(try check() == .exit(78))
        for bad in ["dance", "TAPLINE_SCANNER=gate-8", "scanner=gate-7", "TAPLINE_GATE='x", "TAPLINE_KEEP_DAYS=no"] {
            try write(good + "\n" + bad)
            #expect(try check() == .exit(78), "\(bad)")
        }
        // A misspelled setting is reported with its line. A setting of the publisher is accepted.
        try write(good + "\nTAPLINE_TRUST_KEY=RW\nTAPLINE_TURNSTYLE=serial:/dev/ttyUSB2")
        let slip = try Run.it("tapline-gate", ["run", "--enrolment", path, "--check"])
        #expect(slip.end == .exit(78) && slip.errors.contains("line 7: TAPLINE_TURNSTYLE is not a setting"))
        try write(good.replacing("00", with: "0"))
        #expect(try check() == .exit(78))
    }

    @Test func publisherReadsTheSameEnrolmentFile() throws {
        let path = venue.folder.file("enrolment")
        func end(_ text: String, mode: UInt32 = 0o600) throws -> (ChildProcess.End, String) {
            try Files.writeAtomically(Array(text.utf8), to: path, mode: mode)
            let run = try Run.it("tapline-publisher", ["run", "--enrolment", path, "--check"])
            return (run.end, run.errors)
        }
        let good = """
            TAPLINE_DATA=\(venue.data)
            TAPLINE_SCANNER=gate-7
            TAPLINE_EVENT_KEY_FILE=\(venue.keyFile)
            TAPLINE_READER=nfc:auto
            TAPLINE_AMQP_URL=amqp://gate-7:secret@127.0.0.1:1
            """
        #expect(try end(good).0 == .exit(0))
        #expect(try end(good, mode: 0o604).0 == .exit(78))
        #expect(try end(good.replacing("SCANNER=gate-7", with: "SCANNER=Gate 7")).0 == .exit(78))
        let slip = try end(good + "\nTAPLINE_CENTRE_URL=http://127.0.0.1:1")
        #expect(slip.0 == .exit(78) && slip.1.contains("line 6: TAPLINE_CENTRE_URL is not a setting"))
        #expect(slip.1.contains("did you mean TAPLINE_CENTER_URL?"))
        #expect(!slip.1.contains("secret"))
    }

    @Test func publisherWithoutCenterWarnsAboutMissingLists() throws {
        let path = venue.folder.file("enrolment")
        func run(_ command: [String], _ more: String = "") throws -> Run {
            let common = ["DATA=\(venue.data)", "SCANNER=gate-7", "AMQP_URL=amqp://127.0.0.1:1"]
            let text = common.map { "TAPLINE_\($0)\n" }.joined() + more
            // Editors of Windows write a byte order mark.
            try Files.writeAtomically([0xEF, 0xBB, 0xBF] + Array(text.utf8), to: path, mode: 0o600)
            return try Run.it("tapline-publisher", command + ["--enrolment", path])
        }
        let alone = try run(["run", "--check"])
        #expect(alone.end == .exit(0) && alone.errors.contains("no --center-url: this device will get no list"))
        let linked = try run(
            ["run", "--check"],
            "TAPLINE_CENTER_URL=http://127.0.0.1:1\n"
                + "TAPLINE_TRUST_KEY=RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n")
        #expect(linked.end == .exit(0) && !linked.errors.contains("no --center-url"))
        #expect(try run(["status"]).lines.contains("scanner    gate-7"))
    }

    /// Both programs accept each of their settings from the file.
    @Test(arguments: ["tapline-gate", "tapline-publisher"]) func everySettingIsAcceptedFromTheEnrolmentFile(
        _ program: String
    ) throws {
        let path = venue.folder.file("enrolment")
        let help = try Run.succeeding(program, ["run", "--help"])
        let flags = help.lines.compactMap { line in
            line.hasPrefix("  --") ? line.dropFirst(4).prefix { $0 == "-" || $0.isLetter } : nil
        }
        #expect(flags.count > 8)
        for flag in flags where !["check", "help", "enrolment"].contains(flag) {
            let name = "TAPLINE_" + flag.uppercased().replacing("-", with: "_")
            try Files.writeAtomically(Array("\(name)=x\n".utf8), to: path, mode: 0o600)
            let run = try Run.it(program, ["run", "--enrolment", path, "--check"])
            #expect(!run.errors.contains("is not a setting"), "\(name)")
        }
    }
}
