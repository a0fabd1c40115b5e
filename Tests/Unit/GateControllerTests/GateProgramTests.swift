import DataFolder
import FileSystem
import GateController
import Glibc
import SQLite
import ScanJournal
import ScanModel
import TestSupport
import Testing

/// The real program: standard input, kill -9, SIGTERM, a full disk.
@Suite struct GateProgramTests {
    private let venue: LaneFixture

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 100)
    }

    @Test func eachTapIsAnsweredUntilTheInputEnds() throws {
        let run = try Run.it(
            "tapline-gate", venue.arguments("--output", "json"),
            input: [
                "\(venue.hex(.delegate)),in,\(LaneFixture.tenOClock)", "bad", venue.hex(.blocked),
                "\(venue.hex(.staff)),out",
            ].joined(separator: "\n"))
        #expect(run.end == .exit(0) && run.errors.contains("lines of the input were no taps"))
        #expect(run.lines.count == 3)
        #expect(run.lines[0].contains(#""seq":1,"verdict":0,"name":"admitted""#))
        #expect(run.lines[1].contains(#""seq":2,"verdict":2,"name":"blocked""#))
        #expect(run.lines[2].contains(#""seq":3,"verdict":0,"name":"admitted""#))
        #expect(run.errors.contains("line is not a tap"))
        #expect(!run.errors.contains("04a1b2"))
    }

    @Test func writtenVerdictsAreInTheJournalAfterAKill() throws {
        var printed = 0
        for round in 0..<12 {
            let output = venue.folder.file("output-\(round)")
            let gate = try ChildProcess(
                Package.program("tapline-gate"), venue.arguments("--output", "json"), output: .file(output),
                errors: venue.folder.file("errors"))
            let taps = String(repeating: "\(venue.hex(.delegate))\n", count: 400)
            try gate.write(taps)
            try eventually("verdicts are printed", everyMs: 1) {
                (Files.status(output)?.size ?? 0) > 150 * (1 + round * 7)
            }
            gate.kill()
            // An incomplete line does not count.
            let text = try Files.readText(output)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            let reader = JournalReader(folder: venue.data)
            let record = try #require(try reader.journals().last)
            #expect(record.lastSeq >= lines.count)
            #expect(lines.enumerated().allSatisfy { $1.contains("\"log\":\"\(record.journalID)\",\"seq\":\($0 + 1),") })
            printed += lines.count
        }
        #expect(printed > 12)
        #expect(try JournalReader(folder: venue.data).journals().count == 12)
        let path = venue.data + "/journal.sqlite"
        #expect(try Database(path, .readWrite).text("PRAGMA integrity_check") == "ok")
    }

    @Test func journalReaderSeesEachRunOfTheGate() throws {
        let reader = JournalReader(folder: venue.data)
        for round in 1...4 {
            let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments("--output", "json"))
            for seq in 1...5 {
                try gate.write("\(venue.hex(.delegate))\n")
                #expect(try gate.line()?.contains("\"seq\":\(seq),") == true)
                let records = try reader.journals()
                #expect(records.count == round && records.last?.lastSeq == Int64(seq))
                #expect(try reader.read(journal: records.last!.id, after: Int64(seq - 1), limit: 9).count == 1)
            }
            if round % 2 == 0 { gate.kill() } else { #expect(try gate.stop() == .exit(0)) }
            #expect(try reader.journals().map(\.lastSeq) == Array(repeating: 5, count: round))
        }
    }

    @Test func sigtermFinishesTheTapInProgress() throws {
        let output = venue.folder.file("output")
        let gate = try ChildProcess(
            Package.program("tapline-gate"), venue.arguments("--output", "json"), output: .file(output),
            errors: venue.folder.file("errors"))
        try gate.write(String(repeating: "\(venue.hex(.delegate))\n", count: 1_000))
        try eventually("a verdict is printed", everyMs: 1) { (Files.status(output)?.size ?? 0) > 0 }
        #expect(try gate.stop() == .exit(0))
        let printed = try Files.readText(output)
        #expect(printed.hasSuffix("\n"))
        #expect(try venue.journaled().count == printed.split(separator: "\n").count)
    }

    @Test func secondGateIsRejected() throws {
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        try gate.write("\(venue.hex(.delegate))\n")
        #expect(try gate.line()?.contains("admitted") == true)
        #expect(try Run.it("tapline-gate", venue.arguments()).end == .exit(78))
        #expect(try gate.stop() == .exit(0))
    }

    @Test func newSnapshotIsUsedWithoutATap() throws {
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments("--output", "json"))
        try gate.write("\(venue.hex(.delegate))\n")
        #expect(try gate.line()?.contains("admitted") == true)
        try venue.install(version: 101, without: .delegate)
        try eventually("the gate has switched") { GateState.read(folder: venue.data)?.snapshot == 101 }
        try gate.write("\(venue.hex(.delegate))\n")
        #expect(try gate.line()?.contains("unknown") == true)
    }

    @Test(arguments: VerdictLine.Format.allCases) func fullDiskRejectsAndRecovers(_ format: VerdictLine.Format) throws {
        // 192 blocks of 512 or 1,024 bytes, depending on the shell: room for the file and a few taps. Without the trap,
        // the kernel would end the program at the limit.
        let script = "trap '' XFSZ; ulimit -f 192; exec \"$0\" \"$@\""
        let run = try Run.it(
            "/bin/sh", ["-c", script, Package.program("tapline-gate")] + venue.arguments("--output", format.rawValue),
            input: String(repeating: "\(venue.hex(.delegate))\n", count: 60))
        #expect(run.end == .exit(1))
        let admitted = run.lines.filter { $0.contains("admitted") }
        #expect(!admitted.isEmpty && admitted.count < 60)
        // Format text shows each rejection. Format json has only journaled taps.
        let rejected = run.lines.filter { $0.hasPrefix("REJECTED: the tap could not be journaled") }
        #expect(rejected.count == (format == .text ? 60 - admitted.count : 0))
        #expect(run.errors.contains("tap not journaled, rejected"))
        #expect(run.errors.contains("\(60 - admitted.count) taps could not be journaled"))
        #expect(try venue.journaled().count == admitted.count)
        let after = try Run.succeeding("tapline-gate", venue.arguments(), input: "\(venue.hex(.delegate))\n")
        #expect(after.lines.count == 1)
    }

    @Test func checkNamesGatesThatResembleAnUnknownOne() throws {
        #expect(try Run.it("tapline-gate", venue.arguments("--gate", "Hall north", "--check")).end == .exit(0))
        let run = try Run.it("tapline-gate", venue.arguments("--gate", "Hall nort", "--check"))
        #expect(run.end == .exit(78) && run.errors.contains("no gate named 'Hall nort'; similar: 'Hall north'"))
        // A lane starts without its gate, and gets it with a later snapshot.
        #expect(try Run.it("tapline-gate", venue.arguments("--gate", "Hall nort"), input: "").end == .exit(0))
    }

    @Test func checkRejectsAMissingGateOfTheScanner() throws {
        func accepts(_ more: String...) throws -> Bool {
            try Run.it("tapline-gate", venue.arguments("--check") + more).end == .exit(0)
        }
        func refusal() throws -> String {
            let run = try Run.it("tapline-gate", venue.arguments("--check"))
            #expect(run.end == .exit(78))
            return run.errors
        }
        #expect(try accepts())
        try venue.install(version: 101, ownGate: 99)
        #expect(try refusal().contains("gate is not in the snapshot; gates: 'Entrance', 'Hall north'"))
        // A lane that ran knows the name of its gate.
        #expect(try accepts("--gate", "Hall north"))
        try venue.install(version: 102)
        #expect(try Run.it("tapline-gate", venue.arguments(), input: "").end == .exit(0))
        try venue.install(version: 103, gate: "Hall nord", ownGate: 99)
        #expect(try refusal().contains("gate is not in the snapshot; gates: 'Hall nord'"))
        try venue.install(version: 104, ownGate: nil)
        #expect(try refusal().contains("assigns no gate to this scanner, and no gate setting is given; gates: "))
        try venue.install(version: 105, lists: "gate-8")
        let stranger = try refusal()
        #expect(stranger.contains("does not contain this scanner") && stranger.contains("similar scanners: 'gate-8'"))
        // The assigned gate replaces the scanner's own.
        #expect(try Run.it("tapline-gate", ["assign", "Hall north", "--data", venue.data]).end == .exit(0))
        #expect(try accepts())
    }

    @Test func invalidSettingsAreReportedBeforeTheFolderIsMade() throws {
        let none = venue.folder.file("none")
        func end(_ arguments: [String]) throws -> ChildProcess.End { try Run.it("tapline-gate", arguments).end }
        let good = [
            "run", "--data", none, "--scanner", "gate-7", "--event-key-file", venue.keyFile, "--reader", "stdin",
        ]
        #expect(try end(good + ["--check"]) == .exit(0))
        #expect(try end(good + ["--scanner", "Gate 7", "--check"]) == .exit(78))
        #expect(try end(good + ["--reader", "nfc:", "--check"]) == .exit(78))
        #expect(try end(good + ["--turnstile", "serial:", "--check"]) == .exit(78))
        #expect(try end(good + ["--output", "xml"]) == .exit(78))
        #expect(try end(good + ["--event-key-file", none, "--check"]) == .exit(78))
        #expect(try end(good + ["--event-key-file", "/dev/null"]) == .exit(78))
        #expect(try end(Array(good.dropLast(2))) == .exit(78))
        #expect(try end(["run", "--colour"]) == .exit(64))
        #expect(try end(["dance"]) == .exit(64))
        #expect(!Files.exists(none))
    }

    @Test func statusReportsRunningAndStoppedGate() throws {
        #expect(try Run.it("tapline-gate", ["status", "--data", venue.folder.file("none")]).end == .exit(1))
        let fresh = GateStatus(folder: venue.data, scanner: nil)
        #expect(!fresh.running && fresh.scanner == nil && fresh.journals.isEmpty && fresh.snapshot?.version == 100)

        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        for _ in 0..<3 {
            try gate.write("\(venue.hex(.delegate))\n")
            #expect(try gate.line()?.contains("admitted") == true)
        }
        let log = try JournalReader(folder: venue.data).journals()[0].journalID
        do { try UploadCursors(folder: venue.data).advance(log, scanner: venue.scanner, to: 2) }
        let status = GateStatus(folder: venue.data, scanner: nil)
        #expect(status.running && status.scanner == "gate-7" && status.gate == "Hall north" && status.zone == "Hall")
        #expect(status.log == log.description && status.seq == 3)
        #expect(status.scans == 3 && status.shipped == 2 && status.backlog == 1 && status.problem == nil)
        let json = try Run.reporting("tapline-gate", ["status", "--data", venue.data, "--output", "json"]).lines
        #expect(json.contains { $0.contains(#""backlog" : 1"#) } && json.contains { $0.contains(#""running" : true"#) })

        #expect(try gate.stop() == .exit(0))
        let text = try Run.reporting("tapline-gate", ["status", "--data", venue.data]).lines
        #expect(text[0] == "scanner   gate-7  (not running)")
        #expect(text.contains("alarm     no gate is running on this folder"))
        #expect(text.contains { $0.contains("3 in 1 journals, 2 shipped, 1 waiting") })
    }

    @Test func statusExitsWithOneForEachFault() throws {
        func status() throws -> Run { try Run.reporting("tapline-gate", ["status", "--data", venue.data]) }
        #expect(try status().end == .exit(1))
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        try gate.write("\(venue.hex(.delegate))\n")
        _ = try gate.line()
        try eventually("the gate has reported its state") { GateStatus(folder: venue.data, scanner: nil).running }
        var state = try #require(GateState.read(folder: venue.data))
        state.alarms = []
        state.readers = [GateState.Reader(name: "stdin", direction: .in)]
        try state.write(folder: venue.data)
        #expect(GateStatus(folder: venue.data, scanner: nil).faults == [])
        state.readers = [GateState.Reader(name: "nfc:auto", direction: .in, problem: "unplugged")]
        state.turnstile = "the relay board does not answer"
        state.alarms = ["clock not trusted"]
        try state.write(folder: venue.data)
        #expect(
            GateStatus(folder: venue.data, scanner: nil).faults == [
                "reader nfc:auto (in): unplugged", "turnstile: the relay board does not answer", "clock not trusted",
            ])
        #expect(try status().errors.contains("alarm: reader nfc:auto (in): unplugged"))
        #expect(try gate.stop() == .exit(0))
    }

    @Test func publisherStatusNamesDeadPublisherAndGate() throws {
        let run = try Run.reporting("tapline-publisher", ["status", "--data", venue.data])
        #expect(run.end == .exit(1))
        #expect(run.lines.contains("alarm      no publisher is running on this folder"))
        #expect(run.lines.contains("alarm      no gate is running on this folder"))
        #expect(!run.lines.contains("alarm      no snapshot is installed"))
    }
}
