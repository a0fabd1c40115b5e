import FileSystem
import GateController
import ScanModel
import TestSupport
import Testing

/// Names of a snapshot that forge rows and command terminals, in everything that the programs of a scanner print.
@Suite struct HostileTextTests {
    /// A line break that forges a row, an escape sequence, a C1 control, a return, a bell, and a direction override.
    static let name = "Hall\nalarm     forged\u{1B}[2J\u{9B}31m\r\u{7}\u{202E}x\t1"
    static let shown = "Hall\\u{A}alarm     forged\\u{1B}[2J\\u{9B}31m\\u{D}\\u{7}\\u{202E}x\\u{9}1"

    private let venue: LaneFixture

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 99)
        try venue.install(version: 100, hall: Self.name, gate: Self.name)
    }

    private func file(_ version: Int64) -> String { venue.data + "/snapshots/snapshot-\(version).sqlite" }

    /// Expects that no line can command a terminal, or was forged by a name.
    private func expectPlain(_ run: Run, _ what: String) {
        for line in run.lines {
            let stray = line.unicodeScalars.first { scalar in
                scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x202E
            }
            #expect(stray == nil, "\(what): \(line.debugDescription)")
            #expect(!line.hasPrefix("alarm     forged"), "\(what)")
        }
        #expect(!run.lines.isEmpty, "\(what)")
    }

    @Test func verdictLineIsOneLine() throws {
        for format in ["text", "json"] {
            let run = try Run.it(
                "tapline-gate", venue.arguments("--output", format),
                input: "\(venue.hex(.delegate)),in,\(LaneFixture.tenOClock)\n\(venue.hex(.staff)),out\n")
            #expect(run.end == .exit(0) && run.lines.count == 2)
            expectPlain(run, "verdicts as \(format)")
            if format == "text" { #expect(run.lines[0].contains(Self.shown)) }
        }
    }

    @Test func kioskAndTerminalShowNoControls() throws {
        let run = try Run.it(
            "tapline-gate", venue.arguments("--display", "json"), input: "\(venue.hex(.delegate)),in\n")
        #expect(run.end == .exit(0))
        expectPlain(run, "the kiosk's lines")
    }

    @Test func statusShowsNamesInOneLine() throws {
        try Run.succeeding("tapline-gate", venue.arguments(), input: venue.hex(.delegate) + "\n")
        for program in ["tapline-gate", "tapline-publisher"] {
            expectPlain(try Run.reporting(program, ["status", "--data", venue.data]), "\(program) status")
        }
        let text = try Run.reporting("tapline-gate", ["status", "--data", venue.data])
        #expect(text.lines.contains { $0.hasPrefix("gate ") && $0.contains(Self.shown) })
        let json = try Run.reporting("tapline-gate", ["status", "--data", venue.data, "--output", "json"])
        #expect(json.lines.contains { $0.contains(#"forged\u001b[2J\u009b31m\r\u0007\u202ex\t1"#) })
        let publisher = try Run.reporting("tapline-publisher", ["status", "--data", venue.data, "--output", "json"])
        expectPlain(publisher, "the status as JSON")
    }

    @Test func commandsAnswerInOneLine() throws {
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments("--output", "json"))
        try gate.write(venue.hex(.delegate) + "\n")
        #expect(try gate.line() != nil)
        for command in [
            ["assign", "--default"], ["mode", "free"],
            ["admit", venue.hex(.delegate), "--reason", "lost"],
        ] {
            let run = try Run.it("tapline-gate", command + ["--data", venue.data])
            #expect(run.end == .exit(0), "\(command[0]): \(run.errors)")
            expectPlain(run, command[0])
        }
        // C1 controls and line separators too.
        for name in [Self.name, "a\u{9B}b", "a\u{2028}b"] {
            let unassigned = try Run.it("tapline-gate", ["assign", name, "--data", venue.data])
            #expect(unassigned.end == .exit(1) && unassigned.errors.contains("the name of a gate is needed"))
        }
        #expect(try gate.stop() == .exit(0))
        // A reason is stored: it is refused.
        let refused = try Run.it(
            "tapline-gate", ["mode", "normal", "--reason", "a\u{9B}b", "--data", venue.data])
        #expect(refused.end == .exit(64) && refused.errors.contains("control character"))
    }

    @Test func snapshotToolsShowNamesInOneLine() throws {
        let tag = ["--tag", "\(venue.tag(.delegate).rawValue)"]
        for command in [
            ["inspect", file(100)], ["explain", file(100)] + tag, ["explain", file(100), "--direction", "out"] + tag,
            ["diff", file(99), file(100)],
        ] {
            let text = try Run.succeeding("tapline-snapshot", command)
            expectPlain(text, command[0])
            if command[0] != "inspect" { #expect(text.lines.contains { $0.contains("\\u{1B}") }, "\(command[0])") }
            expectPlain(try Run.succeeding("tapline-snapshot", command + ["--output", "json"]), command[0])
        }
    }
}
