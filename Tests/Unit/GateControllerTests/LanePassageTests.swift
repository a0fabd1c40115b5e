import ScanModel
import TestSupport
import Testing

@testable import GateController
@testable import Runtime

private let hourMs: Int64 = 3_600_000

/// Passages, missing passages and their times.
@Suite struct LanePassageTests {
    private func world(_ policy: String) throws -> LaneWorld {
        let world = try LaneWorld { $0.passageMs = 5_000 }
        try world.venue.install(version: 100, policy: policy)
        try world.start()
        return world
    }

    @Test func passageCountsFromItsDetection() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.advance(4_900)
        let seen = world.arrival(.passage)
        // The disk is blocked in between.
        world.advance(3_000)
        world.inbox.send(seen)
        try world.runOnce()
        #expect(try world.verdicts() == [0])
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        // A passage after the deadline does not count.
        world.tap(.staff, .out)
        world.advance(5_000)
        world.inbox.send(world.arrival(.passage))
        try world.runOnce()
        #expect(try world.verdicts() == [0, 5, 0, 64, 133])
    }

    @Test func tapCountsFromItsArrival() throws {
        let world = try world(#"{"debounce_ms":2000}"#)
        let (first, second) = (
            world.arrival(world.tap(world.venue.uid(.delegate))), world.arrival(.passage).monotonicMs
        )
        world.advance(1_500)
        let again = world.arrival(world.tap(world.venue.uid(.delegate)))
        world.advance(6_000)
        world.lane.dispatch(first)
        world.lane.dispatch(again)
        let scans = try world.venue.journaled()
        #expect(scans.map(\.atMs) == [first.atMs], "the second is the same tap")
        #expect(scans[0].verdict == .admitted && scans[0].flags == [])
        #expect(world.updates.results.map(\.isRepeat) == [false, true])
        #expect(world.updates.results[0].arrivedMs == second && world.updates.results[0].opens)
    }

    /// The threads of two readers may send events in another order than their times.
    @Test func tapsOutOfOrderLeaveTheClockTrusted() throws {
        let world = try world("{}")
        let early = world.arrival(world.tap(world.venue.uid(.delegate)))
        world.advance(5)
        world.lane.dispatch(world.arrival(world.tap(world.venue.uid(.blocked))))
        world.lane.dispatch(early)
        #expect(try world.venue.journaled().map(\.flags) == [[], []])
    }

    @Test func secondAdmissionWithoutPassageIsNoReuse() throws {
        let world = try world(#"{"antipassback":"soft","debounce_ms":0}"#)
        world.tap(.delegate)
        world.advance(1_000)
        world.tap(.delegate)
        let scans = try world.venue.journaled()
        #expect(scans.map(\.verdict.rawValue) == [0, 64, 0])
        #expect(scans.map(\.flags) == [[], [], []])
        // After a passage, it is a reuse.
        world.lane.dispatch(world.arrival(.passage))
        world.advance(1_000)
        #expect(world.tap(.delegate)?.scan.flags == .reuse)
    }

    /// Otherwise two persons could pass with one wristband.
    @Test func secondTapBeforeThePassageIsRejectedUnderHardPolicy() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.advance(1_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        #expect(try world.verdicts() == [0, 5])
    }

    @Test func journalIsKeptForPendingPassages() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.advance(24 * hourMs - 2_000)
        world.tap(.delegate)
        world.advance(4_000)
        world.tap(.blocked)
        world.advance(2_000)
        try world.runOnce()
        let scans = try world.venue.journaled()
        #expect(scans.map(\.verdict.rawValue) == [0, 2, 64] && scans.map(\.seq) == [1, 2, 3])
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        #expect(try world.venue.journaled().last?.seq == 1, "and then a new one begins")
    }

    /// The extension of a journal is limited. An admission in the previous journal is forgotten without a row.
    @Test func missingPassageIsForgottenInTheNextJournal() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.tap(.delegate)
        world.advance(25 * hourMs)
        #expect(world.tap(.staff, .out)?.scan.seq == 1)
        try world.runOnce()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        #expect(try world.verdicts() == [0, 0, 0])
    }

    @Test func inOutInAreThreeTaps() throws {
        let world = try world(#"{"debounce_ms":10000}"#)
        for direction in [Direction.in, .out, .in] {
            world.tap(.delegate, direction)
            world.lane.dispatch(world.arrival(.passage))
            world.advance(3_000)
        }
        #expect(try world.verdicts() == [0, 0, 0])
        #expect(world.updates.results.map(\.opens) == [true, true, true])
    }

    @Test func olderMessageIsNoRepeat() throws {
        let world = try world(#"{"debounce_ms":10000}"#)
        for counter in [7, 7, 8, 6] as [Int64] {
            world.tap(.delegate, .in, .authentic(counter: counter))
            world.advance(100)
        }
        #expect(try world.verdicts() == [0, 7])
        #expect(world.updates.results.map(\.isRepeat) == [false, true, true, false])
    }
}
