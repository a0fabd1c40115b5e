import AccessControl
import GateController
import ScanModel
import SnapshotInstall
import Testing

/// Double reads and pending passages across a change of the snapshot or of the mode.
@Suite struct LaneSwitchTests {
    private let world: LaneWorld

    init() throws { world = try LaneWorld { $0.passageMs = 5_000 } }

    private func start(without missing: LaneFixture.Person? = nil, isOpenToAll: Bool = false) throws {
        try world.venue.install(
            version: 100, policy: #"{"antipassback":"hard","debounce_ms":2000}"#, without: missing,
            isOpenToAll: isOpenToAll)
        try world.start()
    }

    /// Installs the next snapshot, and runs the lane until it uses it.
    private func switchSnapshot(without missing: LaneFixture.Person? = nil) throws {
        try world.venue.install(
            version: 101, policy: #"{"antipassback":"hard","debounce_ms":2000}"#, without: missing)
        world.reloader.check()
        world.advance(1_400)
        try world.runOnce()
    }

    private func execute(_ command: LaneCommand) {
        world.lane.dispatch(world.arrival(.command(command) { _ in }))
    }

    @Test func doubleReadAcrossASwitchRepeatsTheVerdict() throws {
        try start()
        world.tap(.delegate)
        try switchSnapshot()
        for _ in 0..<2 {
            let again = try #require(world.tap(.delegate))
            #expect(again.isRepeat && again.scan.verdict == .admitted && !again.opens)
        }
        #expect(try world.verdicts() == [0])
        world.advance(601)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        #expect(try world.venue.journaled().map(\.snapshot) == [100, 101])
    }

    @Test func repeatedRejectionForPresenceIsRepeatedAcrossASwitch() throws {
        try start()
        world.tap(.delegate)
        world.advance(3_000)
        world.tap(.delegate)
        try switchSnapshot()
        #expect(world.tap(.delegate)?.isRepeat == true)
        #expect(try world.verdicts() == [0, 5])
    }

    @Test func statusOfNewSnapshotDecidesTheNextTap() throws {
        try start(isOpenToAll: true)
        #expect(world.tap(.blocked)?.scan.verdict == .admitted)
        try switchSnapshot()
        let next = try #require(world.tap(.blocked))
        #expect(next.scan.verdict == .blocked && !next.isRepeat)
        #expect(try world.verdicts() == [0, 2])
    }

    @Test func personAddedByNewSnapshotIsAdmittedAtOnce() throws {
        try start(without: .delegate)
        #expect(world.tap(.delegate)?.scan.verdict == .unknownTag)
        try switchSnapshot()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
    }

    @Test func manualAdmissionIsRepeatedAcrossASwitch() throws {
        try start(without: .delegate)
        execute(.admit(.uid(world.venue.uid(.delegate)), reason: "new band"))
        try switchSnapshot(without: .delegate)
        for _ in 0..<2 { #expect(world.tap(.delegate)?.isRepeat == true) }
        #expect(try world.verdicts() == [0])
    }

    @Test func doubleReadAcrossAModeChangeRepeatsTheVerdict() throws {
        try start()
        execute(.mode(.free))
        world.tap(.delegate)
        execute(.mode(.normal))
        #expect(world.tap(.delegate)?.isRepeat == true)
        execute(.mode(.closed))
        #expect(world.tap(.delegate)?.isRepeat == false)
        #expect(try world.verdicts() == [129, 0, 128, 130, 5])
    }

    @Test func pendingPassageOutlivesASwitch() throws {
        try start()
        world.tap(.delegate)
        try switchSnapshot()
        world.lane.dispatch(world.arrival(.passage))
        world.tap(.staff, .out)
        try world.venue.install(version: 102, policy: #"{"antipassback":"hard"}"#)
        world.reloader.check()
        try world.runOnce()
        world.advance(5_001)
        try world.runOnce()
        // The first passed. The second is annulled, not forgotten.
        #expect(try world.verdicts() == [0, 0, 64])
    }
}
