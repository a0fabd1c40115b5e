import DataFolder
import GateController
import ScanModel
import SnapshotInstall
import Testing

/// Reads without a tag: shown at once, counted in `gate.json`, and logged once a minute.
@Suite struct DroppedReadTests {
    private let world: LaneWorld

    init() throws {
        world = try LaneWorld {
            $0.readers = [Lane.Settings.Reader("nfc:test"), Lane.Settings.Reader("stdin")]
            $0.format = .text
        }
        try world.venue.install(version: 100)
        try world.start()
    }

    private var shown: [DroppedRead] {
        world.updates.list.compactMap { if case .dropped(let reason) = $0 { reason } else { nil } }
    }

    @Test(arguments: DroppedRead.allCases) func droppedReadIsShownAtOnceAndCounted(reason: DroppedRead) throws {
        world.lane.dispatch(world.arrival(.reader(0, .dropped(reason, count: 3))))
        #expect(shown == [reason])
        #expect(world.output.lines == ["NOT READ: could not be read, try again (\(reason))"])
        try world.runOnce()
        world.advance(3_000)
        try world.runOnce()
        let state = try #require(GateState.read(folder: world.venue.data))
        #expect(state.droppedReads == 3 && state.lastDroppedRead == reason.description)
        let status = GateStatus(folder: world.venue.data, scanner: nil)
        #expect(status.lines().contains("dropped   3 reads since the start, the last one: \(reason)"))
        #expect(try world.verdicts().isEmpty)
    }

    @Test func lineThatIsNotATapIsShownAndCounted() throws {
        world.lane.handleLine("nonsense", number: 1)
        world.lane.handleLine("", number: 2)
        world.lane.handleLine("04a1b20", number: 3)
        #expect(shown == [.notATap, .notATap])
        world.advance(3_000)
        try world.runOnce()
        #expect(GateState.read(folder: world.venue.data)?.droppedReads == 2)
    }

    @Test(arguments: [
        ("08a1b2c3", DroppedRead.randomUID), ("8804a1b2", .partialUID), ("8804a1b2c3", .partialUID),
        ("8804a1b2c3d4e5f6", .partialUID),
    ]) func lineWithoutAUsableUIDAsksToTryAgain(hex: String, reason: DroppedRead) throws {
        for number in 1...3 { world.lane.handleLine("\(hex),in", number: number) }
        // A way out is always open.
        world.lane.handleLine("\(hex),out", number: 4)
        #expect(world.updates.results.map(\.scan.verdict) == [.notAuthentic, .notAuthentic, .notAuthentic, .admitted])
        #expect(world.updates.results.prefix(3).allSatisfy { $0.detail == .unreadable(reason) })
        #expect(world.output.lines[0].hasSuffix("[could not be read, try again (\(reason))]"))
        world.advance(3_000)
        try world.runOnce()
        let state = try #require(GateState.read(folder: world.venue.data))
        #expect(state.droppedReads == 3 && state.lastDroppedRead == reason.description)
    }

    @Test func listedReadingOfAnOldListIsDecided() throws {
        try world.venue.install(version: 101, readings: [[0x88, 4, 0xa1, 0xb2]])
        world.reloader.check()
        try world.runOnce()
        world.lane.handleLine("8804a1b2,in", number: 1)
        #expect(world.updates.results.last?.scan.verdict == .admitted)
    }

    @Test func randomUIDIsCountedBesideItsVerdict() throws {
        #expect(world.tap(.delegate, .in, .randomUID)?.scan.verdict == .notAuthentic)
        // A way out is always open.
        #expect(world.tap(.delegate, .out, .randomUID)?.scan.verdict == .admitted)
        #expect(shown.isEmpty)
        world.advance(3_000)
        try world.runOnce()
        #expect(GateState.read(folder: world.venue.data)?.droppedReads == 1)
    }
}
