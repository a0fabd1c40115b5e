import DataFolder
import FileSystem
import GateController
import LinuxSystem
import SQLite
import ScanJournal
import ScanModel
import TestSupport
import Testing

/// Numbers of a data folder that a damage or an attacker wrote. Each once overflowed in a sum.
@Suite struct AbsurdNumberTests {
    private let venue: LaneFixture

    init() throws { venue = try LaneFixture() }

    private func sql(_ name: String, _ text: String) throws {
        let database = try Database(venue.data + "/" + name, .readWrite)
        // Readers need the files that the last connection would remove.
        try database.persistWAL()
        try database.execute(text)
    }

    @Test(arguments: [("expires", Int64.max), ("created", .max), ("version", .max), ("expires", 7_258_118_400)])
    func snapshotWithAbsurdNumberIsAnAlarm(key: String, value: Int64) throws {
        try venue.install(version: 100)
        try sql("snapshots/snapshot-100.sqlite", "UPDATE meta SET value = '\(value)' WHERE key = '\(key)'")
        let status = GateStatus(folder: venue.data, scanner: venue.scanner)
        #expect(status.problem?.contains("meta \(key) is '\(value)', not a number below") == true)
        // The programs end with an error, not with a trap.
        let gate = try Run.it("tapline-gate", venue.arguments("--output", "json"), input: venue.hex(.delegate) + "\n")
        #expect(gate.end == .exit(0) && gate.lines.first?.contains(#""name":"no-snapshot""#) == true)
        for command in [["status", "--data", venue.data], ["status", "--data", venue.data, "--output", "json"]] {
            #expect(try Run.it("tapline-gate", command).end == .exit(1))
            #expect(try Run.it("tapline-publisher", command).end == .exit(1))
        }
        let file = venue.data + "/snapshots/snapshot-100.sqlite"
        #expect(try Run.it("tapline-snapshot", ["inspect", file]).end == .exit(1))
    }

    @Test func journalWithAbsurdTimesIsRead() throws {
        try venue.install(version: 100)
        try Run.succeeding(
            "tapline-gate", venue.arguments(), input: [venue.hex(.delegate), venue.hex(.staff)].joined(separator: "\n"))
        try sql("journal.sqlite", "UPDATE journals SET created = -9223372036854775808")
        try sql("journal.sqlite", "UPDATE scans SET at = 9223372036854775807 WHERE id & 1 = 1")
        try sql("journal.sqlite", "UPDATE scans SET at = -9223372036854775808 WHERE id & 1 = 0")
        let scans = try venue.journaled()
        #expect(scans.map(\.atMs) == [Bounds.uint, -Bounds.uint])
        #expect(
            GateStatus(folder: venue.data, scanner: venue.scanner).journals.first?.createdAt.hasPrefix("0001") == true)
        // The rows are exported as they are: the center quarantines them, and the others arrive.
        let out = venue.folder.file("out")
        let export = ["export", "--data", venue.data, "--scanner", "gate-7", "--out", out]
        try Run.succeeding("tapline-publisher", export)
        #expect(try Files.list(out).count == 2, "two times do not fit into one batch")
        // The next run of the gate replays them.
        try Run.succeeding("tapline-gate", venue.arguments(), input: venue.hex(.delegate) + "\n")
        for program in ["tapline-gate", "tapline-publisher"] {
            #expect(try Run.reporting(program, ["status", "--data", venue.data]).lines.count > 4)
        }
    }

    @Test func beatWithAbsurdTimeSaysNothing() throws {
        let boot = try #require(BootID.current)
        try Files.writeAtomically(
            Array("\(boot.text) 1 -9223372036854775808\n".utf8), to: DataFolderPaths.gateBeat(venue.data))
        #expect(GateBeat.read(folder: venue.data) == nil)
    }
}
