import ScanModel
import TestSupport
import Testing

@testable import GateController
@testable import Runtime

private let hourMs: Int64 = 3_600_000

/// Who passes, who does not, and when the lane hears of it.
@Suite struct LanePassageTests {
    private func world(_ policy: String) throws -> LaneWorld {
        let world = try LaneWorld { $0.passageMs = 5_000 }
        try world.venue.install(version: 100, policy: policy)
        try world.start()
        return world
    }

    @Test func aPassageCountsWhenItWasSeenNotWhenTheLaneHearsOfIt() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.pass(4_900)
        let seen = world.arrival(.passage)
        // The disk stands still meanwhile.
        world.pass(3_000)
        world.mailbox.send(seen)
        try world.lookAround()
        #expect(try world.verdicts() == [0])
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        // One that was seen too late is too late.
        world.tap(.staff, .out)
        world.pass(5_000)
        world.mailbox.send(world.arrival(.passage))
        try world.lookAround()
        #expect(try world.verdicts() == [0, 5, 0, 64, 133])
    }

    @Test func aTapIsMadeWhenItArrives() throws {
        let world = try world(#"{"debounce_ms":2000}"#)
        let (first, second) = (
            world.arrival(world.tap(world.venue.uid(.delegate))), world.arrival(.passage).monotonicMs
        )
        world.pass(1_500)
        let again = world.arrival(world.tap(world.venue.uid(.delegate)))
        world.pass(6_000)
        world.lane.handle(first)
        world.lane.handle(again)
        let scans = try world.venue.journalled()
        #expect(scans.map(\.atMs) == [first.atMs], "the second is the same tap")
        #expect(scans[0].verdict == .admitted && scans[0].flags == [])
        #expect(world.noticed.signals.map(\.isRepeat) == [false, true])
        #expect(world.noticed.signals[0].arrivedMs == second && world.noticed.signals[0].opens)
    }

    /// Two readers' threads may post in another order than they stamp; that makes no clock untrusted.
    @Test func tapsOutOfOrderLeaveTheClockTrusted() throws {
        let world = try world("{}")
        let early = world.arrival(world.tap(world.venue.uid(.delegate)))
        world.pass(5)
        world.lane.handle(world.arrival(world.tap(world.venue.uid(.blocked))))
        world.lane.handle(early)
        #expect(try world.venue.journalled().map(\.flags) == [[], []])
    }

    @Test func whoIsAdmittedOnceMoreWasNotInside() throws {
        let world = try world(#"{"antipassback":"soft","debounce_ms":0}"#)
        world.tap(.delegate)
        world.pass(1_000)
        world.tap(.delegate)
        let scans = try world.venue.journalled()
        #expect(scans.map(\.verdict.rawValue) == [0, 64, 0])
        #expect(scans.map(\.flags) == [[], [], []])
        // One who has passed was.
        world.lane.handle(.passage)
        world.pass(1_000)
        #expect(world.tap(.delegate)?.scan.flags == .reuse)
    }

    /// Under hard anti-passback a second tap before the passage is refused: else two would pass with one band.
    @Test func aBandHandedBackBeforeThePassageOpensNothing() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.pass(1_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        #expect(try world.verdicts() == [0, 5])
    }

    @Test func aJournalWaitsForThoseWhoAreDue() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.pass(24 * hourMs - 2_000)
        world.tap(.delegate)
        world.pass(4_000)
        world.tap(.blocked)
        world.pass(2_000)
        try world.lookAround()
        let scans = try world.venue.journalled()
        #expect(scans.map(\.verdict.rawValue) == [0, 2, 64] && scans.map(\.seq) == [1, 2, 3])
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        #expect(try world.venue.journalled().last?.seq == 1, "and then a new one begins")
    }

    /// A crowd keeps no journal open for ever; whose admission lies in the old one is forgotten all the same.
    @Test func whoDidNotPassMayTapAgainAlsoInAnotherJournal() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.pass(25 * hourMs)
        #expect(world.tap(.staff, .out)?.scan.seq == 1)
        try world.lookAround()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        #expect(try world.verdicts() == [0, 0, 0])
    }

    @Test func inAndOutAndInAgainAreThreeTaps() throws {
        let world = try world(#"{"debounce_ms":10000}"#)
        for direction in [Direction.in, .out, .in] {
            world.tap(.delegate, direction)
            world.lane.handle(.passage)
            world.pass(3_000)
        }
        #expect(try world.verdicts() == [0, 0, 0])
        #expect(world.noticed.signals.map(\.opens) == [true, true, true])
    }

    @Test func anOldMessageIsNoRepeat() throws {
        let world = try world(#"{"debounce_ms":10000}"#)
        for counter in [7, 7, 8, 6] as [Int64] {
            world.tap(.delegate, .in, .authentic(counter: counter))
            world.pass(100)
        }
        #expect(try world.verdicts() == [0, 7])
        #expect(world.noticed.signals.map(\.isRepeat) == [false, true, true, false])
    }
}
