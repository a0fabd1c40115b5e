import AccessControl
import DataFolder
import FileSystem
import GateController
import Glibc
import LinuxSystem
import Runtime
import SQLite
import ScanJournal
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

@Suite struct LaneTests {
    private let venue: LaneFixture
    private let reloader: SnapshotReloader
    private let output = VerdictLines()

    init() throws {
        venue = try LaneFixture()
        reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
    }

    private func lane(_ settings: Lane.Settings? = nil) throws -> Lane {
        reloader.check()
        return try Lane(settings ?? venue.settings(), reloader: reloader) { output.lines.append($0) }
    }

    /// Runs the lane over all lines, as the program does.
    private func run(_ lane: Lane, _ lines: String...) throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let text = lines.joined(separator: "\n")
        #expect(write(ends[1], text, text.utf8.count) == text.utf8.count)
        close(ends[1])
        defer { close(ends[0]) }
        try lane.run(LineInput(descriptor: ends[0]), stop: StopSignal())
    }

    private func verdicts() throws -> [UInt8] { try venue.journaled().map(\.verdict.rawValue) }

    @Test func tapIsJournaledAndWritten() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try run(lane, "\(venue.hex(.delegate)),in,\(LaneFixture.tenOClock)")
        let scan = Scan(
            seq: 1, atMs: 1_795_428_000_000, tag: venue.tag(.delegate), verdict: .admitted, flags: [], gate: 7,
            snapshot: 100)
        #expect(try venue.journaled() == [scan])
        let log = try JournalReader(folder: venue.data).journals()[0].journalID
        #expect(
            output.lines == [
                #"{"log":"\#(log)","seq":1,"verdict":0,"name":"admitted","tag":\#(venue.tag(.delegate).rawValue),"#
                    + #""zone":"Hall","at":"2026-11-23T10:00:00.000Z"}"#
            ])
    }

    @Test func verdictDependsOnPersonAndDirection() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let people = LaneFixture.Person.allCases.map { "\(venue.hex($0)),in,\(LaneFixture.tenOClock)" }
        try run(
            lane,
            (people + ["in", "out"].map { "ffffffff,\($0),\(LaneFixture.tenOClock)" }).joined(separator: "\n"))
        #expect(try verdicts() == [0, 2, 4, 3, 1, 0])
        #expect(output.lines.last?.contains(#""name":"admitted""#) == true)
        #expect(output.lines.last?.contains(#""zone":"Foyer""#) == true)
    }

    @Test func malformedLinesProduceNoVerdict() throws {
        try venue.install(version: 100)
        try run(lane(), "nonsense", "", String(repeating: "0", count: 9_000), venue.hex(.delegate))
        #expect(try verdicts() == [0])
        #expect(output.lines.count == 1)
    }

    @Test func textFormatShowsRemarksAndPass() throws {
        try venue.install(version: 100, expiresS: LaneFixture.day + 60)
        try run(
            lane(venue.settings(.text)), "\(venue.hex(.delegate)),in,\(LaneFixture.tenOClock)",
            "\(venue.hex(.staff)),in,\(LaneFixture.tenOClock)")
        #expect(
            output.lines == [
                "2026-11-23T10:00:00.000Z  in   admitted       Hall  [snapshot expired]  (Delegate, blue, no bags)",
                "2026-11-23T10:00:00.000Z  in   no-access      Hall  [snapshot expired]",
            ])
    }

    @Test func entryIsRejectedWithoutSnapshot() throws {
        try run(lane(), venue.hex(.delegate), "\(venue.hex(.delegate)),out")
        let scans = try venue.journaled()
        #expect(scans.map(\.verdict) == [.noSnapshot, .admitted])
        #expect(scans.map(\.snapshot) == [0, 0] && scans.map(\.gate) == [nil, nil])
        #expect(output.lines.allSatisfy { $0.contains(#""zone":null"#) })
    }

    @Test func newSnapshotIsUsedBetweenTwoTaps() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try run(lane, venue.hex(.delegate))
        try venue.install(version: 101, hall: "Great hall", without: .delegate)
        reloader.check()
        try run(lane, venue.hex(.delegate))
        #expect(try verdicts() == [0, 1])
        #expect(try venue.journaled().map(\.snapshot) == [100, 101])
        #expect(output.lines.last?.contains(#""zone":"Great hall""#) == true)
        #expect(GateState.read(folder: venue.data)?.snapshot == 101)
        // The lane keeps the open file, also after its removal.
        for name in try Files.list(venue.data + "/snapshots") { try Files.remove(venue.data + "/snapshots/" + name) }
        reloader.check()
        try run(lane, venue.hex(.staff))
        #expect(try verdicts() == [0, 1, 3])
    }

    @Test func unreadableSnapshotChangesNothing() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try Files.writeAtomically([1, 2, 3], to: venue.data + "/snapshots/snapshot-101.sqlite")
        try Files.writeAtomically(Array("snapshot-101.sqlite\n".utf8), to: venue.data + "/snapshots/current")
        reloader.check()
        try run(lane, venue.hex(.delegate))
        #expect(try verdicts() == [0])
        #expect(try venue.journaled().map(\.snapshot) == [100])
    }

    @Test func configuredGateHasPriorityOverScannersGate() throws {
        try venue.install(version: 100)
        try run(lane(venue.settings(gate: "Entrance")), venue.hex(.staff), venue.hex(.delegate))
        #expect(try venue.journaled().map(\.gate) == [8, 8])
        #expect(try verdicts() == [0, 0])
    }

    @Test(
        arguments: [
            ("Nowhere", "the snapshot has no gate with the name given in the gate setting"),
            (nil, "the snapshot does not contain this scanner, and no gate setting is given"),
        ] as [(String?, String)])
    func entryIsRejectedWithoutGate(name: String?, problem: String) throws {
        try venue.install(version: 100, lists: nil)
        try run(lane(venue.settings(gate: name)), venue.hex(.delegate), "\(venue.hex(.delegate)),out")
        #expect(try verdicts() == [6, 0])
        #expect(try venue.journaled().map(\.gate) == [nil, nil])
        #expect(GateState.read(folder: venue.data)?.problem == problem)
    }

    @Test func entryIsRejectedIfScannerHasNoGate() throws {
        try venue.install(version: 100)
        try run(lane(venue.settings(scanner: ScannerID("spare")!)), venue.hex(.delegate))
        #expect(try verdicts() == [6])
    }

    @Test func laneKeepsItsGateWhenTheGateIsRenamed() throws {
        try venue.install(version: 100)
        let lane = try lane(venue.settings(gate: "Hall north"))
        try venue.install(version: 101, gate: "Hall A")
        reloader.check()
        try run(lane, venue.hex(.delegate))
        #expect(try venue.journaled().map(\.gate) == [7])
        #expect(GateState.read(folder: venue.data)?.gateName == "Hall A")
    }

    @Test(arguments: [false, true]) func clockBeforeTheSnapshotIsTrustedOnlyIfSynchronised(_ isSynchronised: Bool)
        throws
    {
        try venue.install(version: 100)
        reloader.check()
        let time = LaneTime(
            nowMs: { (LaneFixture.day - 60) * 1_000 }, monotonicMs: { 1_000 }, isSynchronised: { isSynchronised })
        let lane = try Lane(venue.settings(), reloader: reloader, time: time) { output.lines.append($0) }
        try run(lane, venue.hex(.delegate), "\(venue.hex(.early)),in,\(LaneFixture.tenOClock)")
        let scans = try venue.journaled()
        #expect(scans[0].verdict == .admitted)
        #expect(scans[0].flags == (isSynchronised ? [] : .clockNotTrusted))
        // A time that is given with the tap counts.
        #expect(scans[1].flags == [] && scans[1].verdict == .outsideTime)
    }

    /// Times are not enforced by a clock that cannot be right.
    @Test func untrustedClockEnforcesNoTimes() throws {
        try venue.install(version: 100, createdS: LaneFixture.day + 7_200)
        reloader.check()
        let time = LaneTime(
            nowMs: { (LaneFixture.day + 3_600) * 1_000 }, monotonicMs: { 1_000 }, isSynchronised: { false })
        let lane = try Lane(venue.settings(), reloader: reloader, time: time) { output.lines.append($0) }
        try run(lane, venue.hex(.early))
        #expect(try verdicts() == [0])
    }

    @Test func tapIsJournaledIfVerdictCannotBeWritten() throws {
        try venue.install(version: 100)
        reloader.check()
        let lane = try Lane(venue.settings(), reloader: reloader) { _ in throw SystemError("write", code: EPIPE) }
        try run(lane, venue.hex(.delegate), venue.hex(.delegate))
        #expect(try verdicts() == [0, 0])
    }

    @Test func damagedJournalIsReplacedWhileTheLaneRuns() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let path = venue.data + "/journal.sqlite"
        try run(lane, venue.hex(.delegate), venue.hex(.delegate))
        // A change of another connection makes SQLite read its cached pages again.
        do {
            let other = try Database(path, .readWrite)
            try other.execute("UPDATE journals SET created = created + 1")
            #expect(try other.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
        }
        let pages = try #require(Files.status(path)).size / 4_096
        try Run.succeeding(
            "/bin/dd", ["if=/dev/zero", "of=\(path)", "bs=4096", "seek=1", "count=\(pages - 1)", "conv=notrunc"])
        try run(lane, venue.hex(.delegate))
        #expect(lane.notJournaled == 0)
        #expect(output.lines.count == 3 && output.lines[2].contains(#""seq":1,"#))
        #expect(try venue.journaled().count == 1)
        #expect(try Files.list(venue.data).contains { $0.hasPrefix("journal.sqlite.damaged-") })
    }

    @Test func stopLeavesFurtherInputUnread() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let stop = StopSignal()
        stop.stop()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(write(ends[1], "04a1b201\n", 9) == 9)
        try lane.run(LineInput(descriptor: ends[0]), stop: stop)
        #expect(output.lines.isEmpty)
        #expect(try venue.journaled().isEmpty)
    }
}

@Suite struct LineInputTests {
    private func events(_ text: [UInt8]) throws -> [LineInput.Event] { try LineInput.events(of: text, limitBytes: 16) }

    @Test func linesAreReadOneByOne() throws {
        #expect(try events(Array("a\n\nbc\nlast".utf8)) == [.line("a"), .line(""), .line("bc"), .line("last"), .end])
        #expect(try events([]) == [.end])
        #expect(try events([0xff, 0x0a]) == [.line("\u{fffd}"), .end])
    }

    @Test func longLinesAreSkipped() throws {
        let long = [UInt8](repeating: 0x61, count: 60_000)
        #expect(try events(long + [0x0a, 0x62, 0x0a]) == [.tooLong, .line("b"), .end])
        #expect(try events([0x62, 0x0a] + long) == [.line("b"), .tooLong, .end])
        let exact = [UInt8](repeating: 0x61, count: 16)
        #expect(
            try events(exact + [0x0a] + exact + [0x61, 0x0a]) == [
                .line(String(repeating: "a", count: 16)), .tooLong, .end,
            ])
    }

    @Test func idleInputAndStopAreReported() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let input = LineInput(descriptor: ends[0])
        let stop = StopSignal()
        #expect(try input.next(or: stop, withinMs: 0) == .idle)
        #expect(write(ends[1], "half", 4) == 4)
        #expect(try input.next(or: stop, withinMs: 0) == .idle)
        #expect(write(ends[1], "\nmore\n", 6) == 6)
        #expect(try input.next(or: stop, withinMs: 0) == .line("half"))
        stop.stop()
        #expect(try input.next(or: stop, withinMs: 0) == .stopped)
    }
}
