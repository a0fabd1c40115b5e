import LinuxSystem
import ScanJournal
import ScanModel
import TestSupport
import Testing

@testable import GateController

private let dayMs: Int64 = 24 * 3_600_000
private let hard = #"{"antipassback":"hard","debounce_ms":0}"#

/// Clocks that are wrong for a while, over the real lane and its journal.
@Suite struct LaneClockTests {
    private func world(_ policy: String = hard) throws -> LaneWorld {
        let world = try LaneWorld()
        try world.venue.install(version: 100, policy: policy, days: -1...14)
        return world
    }

    @Test(arguments: [1, 5, 40] as [Int64]) func aStartUnderAClockThatIsAheadForgetsNobody(_ days: Int64) throws {
        let world = try world()
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        world.pass(60_000)
        world.turn(offMs: days * dayMs)
        try world.start()
        #expect(world.tap(.early)?.scan.verdict == .outsideTime)
        world.pass(60_000)
        world.turn(offMs: 0)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "in the process")
        try world.start()
        world.pass(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "and after a restart")
    }

    @Test func anAdmissionUnderAClockThatIsAheadHidesNobody() throws {
        let world = try world()
        try world.start()
        world.tap(.delegate)
        world.pass(60_000)
        world.turn(offMs: dayMs)
        #expect(world.tap(.blocked)?.scan.verdict == .blocked)
        #expect(world.tap(.early, .out)?.scan.verdict == .admitted)
        world.pass(60_000)
        world.turn(offMs: 0)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
    }

    @Test func distrustOfAClockOutlivesARestart() throws {
        let world = try world()
        try world.start()
        world.turn(offMs: 3_600_000)
        world.tap(.delegate)
        world.turn(offMs: 0)
        for _ in 0..<3 {
            world.pass(60_000)
            #expect(world.tap(.blocked)?.scan.flags == .clockNotTrusted)
            try world.start()
        }
        world.synchronise(true)
        #expect(world.tap(.blocked)?.scan.flags == [])
    }

    @Test func theAlarmOfAClockNeedsNoTap() throws {
        let world = try world()
        try world.start()
        world.tap(.delegate)
        world.pass(60_000)
        world.turn(offMs: -dayMs)
        try world.lookAround()
        #expect(world.noticed.states.last?.alarms == ["clock not trusted"])
        world.turn(offMs: 0)
        try world.lookAround()
        #expect(world.noticed.states.last?.alarms == [])
    }

    @Test func afterTheLastKnownDayThePeopleOfYesterdayComeInAgain() throws {
        let world = try world()
        try world.venue.install(version: 101, policy: hard, expiresS: Venue.day + 3 * 86_400, days: -1...1)
        try world.start()
        for day in 0..<5 {
            #expect(world.tap(.delegate)?.scan.verdict == .admitted, "day \(day)")
            world.pass(60_000)
            #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "day \(day)")
            world.pass(dayMs - 60_000)
        }
    }

    /// More rows than are read back, of one day, and a lane that is open soon all the same.
    @Test func aJournalOfAnyLengthIsReadBackInBounds() throws {
        let world = try world()
        try world.start()
        world.stop()
        do {
            let journal = try Journal(folder: world.venue.data, scanner: world.venue.scanner)
            let atMs = world.device.now.trueMs
            for block in 0..<13 {
                _ = try journal.appendBatch(
                    (0..<10_000).map { number in
                        Journal.Entry(
                            atMs: atMs + Int64(block), tag: TagID(rawValue: Int64(block * 10_000 + number + 1)),
                            verdict: .admitted, flags: [], gate: 7, snapshot: 100)
                    })
            }
            _ = try journal.append(
                atMs: atMs + 20, tag: world.venue.tag(.delegate), verdict: .admitted, flags: [], gate: 7, snapshot: 100)
        }
        world.pass(60_000)
        let begin = SystemClock.monotonicMs()
        try world.start()
        #expect(SystemClock.monotonicMs() - begin < 30_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
    }
}
