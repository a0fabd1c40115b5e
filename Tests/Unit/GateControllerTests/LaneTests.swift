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
    private let venue: Venue
    private let watch: SnapshotReloader
    private let told = Told()

    init() throws {
        venue = try Venue()
        watch = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
    }

    private func lane(_ settings: Lane.Settings? = nil) throws -> Lane {
        watch.check()
        return try Lane(settings ?? venue.settings(), watch: watch) { told.lines.append($0) }
    }

    /// One run over all lines, as the program does it.
    private func run(_ lane: Lane, _ lines: String...) throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let text = lines.joined(separator: "\n")
        #expect(write(ends[1], text, text.utf8.count) == text.utf8.count)
        close(ends[1])
        defer { close(ends[0]) }
        try lane.run(LineInput(descriptor: ends[0]), stop: StopSignal())
    }

    private func verdicts() throws -> [UInt8] { try venue.journalled().map(\.verdict.rawValue) }

    @Test func aTapIsLoggedAndTold() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try run(lane, "\(venue.hex(.delegate)),in,\(Venue.tenOClock)")
        let scan = Scan(
            seq: 1, atMs: 1_795_428_000_000, tag: venue.tag(.delegate), verdict: .admitted, flags: [], gate: 7,
            snapshot: 100)
        #expect(try venue.journalled() == [scan])
        let log = try JournalReader(folder: venue.data).journals()[0].journalID
        #expect(
            told.lines == [
                #"{"log":"\#(log)","seq":1,"verdict":0,"name":"admitted","tag":\#(venue.tag(.delegate).rawValue),"#
                    + #""zone":"Hall","at":"2026-11-23T10:00:00.000Z"}"#
            ])
    }

    @Test func eachPersonGetsTheirVerdict() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let people = Venue.Person.allCases.map { "\(venue.hex($0)),in,\(Venue.tenOClock)" }
        try run(
            lane,
            (people + ["ffffffff,in,\(Venue.tenOClock)", "ffffffff,out,\(Venue.tenOClock)"]).joined(separator: "\n"))
        #expect(try verdicts() == [0, 2, 4, 3, 1, 0])
        #expect(told.lines.last?.contains(#""name":"admitted""#) == true)
        #expect(told.lines.last?.contains(#""zone":"Foyer""#) == true)
    }

    @Test func badLinesAreTapsOfNobody() throws {
        try venue.install(version: 100)
        try run(lane(), "nonsense", "", String(repeating: "0", count: 9_000), venue.hex(.delegate))
        #expect(try verdicts() == [0])
        #expect(told.lines.count == 1)
    }

    @Test func linesForPeople() throws {
        try venue.install(version: 100, expiresS: Venue.day + 60)
        try run(
            lane(venue.settings(.text)), "\(venue.hex(.delegate)),in,\(Venue.tenOClock)",
            "\(venue.hex(.staff)),in,\(Venue.tenOClock)")
        #expect(
            told.lines == [
                "2026-11-23T10:00:00.000Z  in   admitted       Hall  [list expired]  (Delegate, blue, no bags)",
                "2026-11-23T10:00:00.000Z  in   no-access      Hall  [list expired]",
            ])
    }

    @Test func withoutASnapshotAWayInIsRefused() throws {
        try run(lane(), venue.hex(.delegate), "\(venue.hex(.delegate)),out")
        let scans = try venue.journalled()
        #expect(scans.map(\.verdict) == [.noSnapshot, .admitted])
        #expect(scans.map(\.snapshot) == [0, 0] && scans.map(\.gate) == [nil, nil])
        #expect(told.lines.allSatisfy { $0.contains(#""zone":null"#) })
    }

    @Test func aNewSnapshotIsTakenBetweenTwoTaps() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try run(lane, venue.hex(.delegate))
        try venue.install(version: 101, hall: "Great hall", without: .delegate)
        watch.check()
        try run(lane, venue.hex(.delegate))
        #expect(try verdicts() == [0, 1])
        #expect(try venue.journalled().map(\.snapshot) == [100, 101])
        #expect(told.lines.last?.contains(#""zone":"Great hall""#) == true)
        #expect(GateState.read(folder: venue.data)?.snapshot == 101)
        // Gone from the disk, it still decides: the open file is what counts.
        for name in try Files.list(venue.data + "/snapshots") { try Files.remove(venue.data + "/snapshots/" + name) }
        watch.check()
        try run(lane, venue.hex(.staff))
        #expect(try verdicts() == [0, 1, 3])
    }

    @Test func aSnapshotThatCannotBeOpenedChangesNothing() throws {
        try venue.install(version: 100)
        let lane = try lane()
        try Files.writeAtomically([1, 2, 3], to: venue.data + "/snapshots/snapshot-101.sqlite")
        try Files.writeAtomically(Array("snapshot-101.sqlite\n".utf8), to: venue.data + "/snapshots/current")
        watch.check()
        try run(lane, venue.hex(.delegate))
        #expect(try verdicts() == [0])
        #expect(try venue.journalled().map(\.snapshot) == [100])
    }

    @Test func theGateIsTheNamedOneElseTheScannersOwn() throws {
        try venue.install(version: 100)
        try run(lane(venue.settings(gate: "Entrance")), venue.hex(.staff), venue.hex(.delegate))
        #expect(try venue.journalled().map(\.gate) == [8, 8])
        #expect(try verdicts() == [0, 0])
    }

    @Test(arguments: ["Nowhere", nil]) func aLaneWithoutAGateRefuses(_ name: String?) throws {
        try venue.install(version: 100, lists: nil)
        try run(lane(venue.settings(gate: name)), venue.hex(.delegate), "\(venue.hex(.delegate)),out")
        #expect(try verdicts() == [6, 0])
        #expect(try venue.journalled().map(\.gate) == [nil, nil])
        #expect(GateState.read(folder: venue.data)?.problem != nil)
    }

    @Test func aScannerEnrolledWithoutAGateRefuses() throws {
        try venue.install(version: 100)
        try run(lane(venue.settings(scanner: ScannerID("spare")!)), venue.hex(.delegate))
        #expect(try verdicts() == [6])
    }

    @Test func aRenamedGateKeepsItsLanes() throws {
        try venue.install(version: 100)
        let lane = try lane(venue.settings(gate: "Hall north"))
        try venue.install(version: 101, gate: "Hall A")
        watch.check()
        try run(lane, venue.hex(.delegate))
        #expect(try venue.journalled().map(\.gate) == [7])
        #expect(GateState.read(folder: venue.data)?.gateName == "Hall A")
    }

    @Test func aClockBeforeTheSnapshotIsDoubted() throws {
        // Made in the future: whatever clock this machine has is earlier; unless it is synchronised, it is not trusted.
        try venue.install(version: 100)
        let isDoubted = SystemClock.nowMicroseconds() / 1_000_000 < Venue.day && !SystemClock.isSynchronised()
        try run(lane(), venue.hex(.early), "\(venue.hex(.early)),in,\(Venue.tenOClock)")
        let scans = try venue.journalled()
        #expect(scans[0].flags.contains(.clockNotTrusted) == isDoubted)
        #expect(scans[0].verdict == (isDoubted ? .admitted : .outsideTime))
        // A time that is given counts.
        #expect(scans[1].flags == [] && scans[1].verdict == .outsideTime)
    }

    @Test func aVerdictThatCannotBePrintedIsLoggedAllTheSame() throws {
        try venue.install(version: 100)
        watch.check()
        let lane = try Lane(venue.settings(), watch: watch) { _ in throw SystemError("write", code: EPIPE) }
        try run(lane, venue.hex(.delegate), venue.hex(.delegate))
        #expect(try verdicts() == [0, 0])
    }

    @Test func aJournalDamagedUnderItsGateIsReplaced() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let path = venue.data + "/journal.sqlite"
        try run(lane, venue.hex(.delegate), venue.hex(.delegate))
        // Somebody else's change makes SQLite read anew what it held in memory; by another process, because a file that is
        // closed in this one would lose its locks.
        do {
            let other = try Database(path, .readWrite)
            try other.execute("UPDATE journals SET created = created + 1")
            #expect(try other.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
        }
        let pages = try #require(Files.status(path)).size / 4_096
        try Run.succeeding(
            "/bin/dd", ["if=/dev/zero", "of=\(path)", "bs=4096", "seek=1", "count=\(pages - 1)", "conv=notrunc"])
        try run(lane, venue.hex(.delegate))
        #expect(lane.unlogged == 0)
        #expect(told.lines.count == 3 && told.lines[2].contains(#""seq":1,"#))
        #expect(try venue.journalled().count == 1)
        #expect(try Files.list(venue.data).contains { $0.hasPrefix("journal.sqlite.damaged-") })
    }

    @Test func aStopLeavesTheRestUnread() throws {
        try venue.install(version: 100)
        let lane = try lane()
        let stop = StopSignal()
        stop.stop()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(write(ends[1], "04a1b201\n", 9) == 9)
        try lane.run(LineInput(descriptor: ends[0]), stop: stop)
        #expect(told.lines.isEmpty)
        #expect(try venue.journalled().isEmpty)
    }
}

@Suite struct LineInputTests {
    private func events(_ text: [UInt8], limitBytes: Int = 16) throws -> [LineInput.Event] {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        #expect(write(ends[1], text, text.count) == text.count)
        close(ends[1])
        defer { close(ends[0]) }
        let input = LineInput(descriptor: ends[0], limitBytes: limitBytes)
        var events: [LineInput.Event] = []
        while events.last != .end { events.append(try input.next(or: StopSignal(), withinMs: 1_000)) }
        return events
    }

    @Test func linesComeOneByOne() throws {
        #expect(try events(Array("a\n\nbc\nlast".utf8)) == [.line("a"), .line(""), .line("bc"), .line("last"), .end])
        #expect(try events([]) == [.end])
        #expect(try events([0xff, 0x0a]) == [.line("\u{fffd}"), .end])
    }

    @Test func longLinesAreReadPast() throws {
        let long = [UInt8](repeating: 0x61, count: 60_000)
        #expect(try events(long + [0x0a, 0x62, 0x0a]) == [.tooLong, .line("b"), .end])
        #expect(try events([0x62, 0x0a] + long) == [.line("b"), .tooLong, .end])
        let exact = [UInt8](repeating: 0x61, count: 16)
        #expect(
            try events(exact + [0x0a] + exact + [0x61, 0x0a]) == [
                .line(String(repeating: "a", count: 16)), .tooLong, .end,
            ])
    }

    @Test func anIdleInputAndAStopAreTold() throws {
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
