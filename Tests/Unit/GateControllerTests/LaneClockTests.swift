import AccessControl
import LinuxSystem
import ScanJournal
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import GateController

private let dayMs: Int64 = 24 * 3_600_000
private let hard = #"{"antipassback":"hard","debounce_ms":0}"#

/// The lane and its journal under a wrong device clock.
@Suite struct LaneClockTests {
    private func world(_ policy: String = hard) throws -> LaneWorld {
        let world = try LaneWorld()
        try world.venue.install(version: 100, policy: policy, days: -1...14)
        return world
    }

    @Test(arguments: [1, 5, 40] as [Int64]) func startUnderAFastClockKeepsPresence(_ days: Int64) throws {
        let world = try world()
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        world.advance(60_000)
        world.setClock(offMs: days * dayMs)
        try world.start()
        #expect(world.tap(.early)?.scan.verdict == .outsideTime)
        world.advance(60_000)
        world.setClock(offMs: 0)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "before a restart")
        try world.start()
        world.advance(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "after a restart")
    }

    @Test func tapsUnderAFastClockKeepPresence() throws {
        let world = try world()
        try world.start()
        world.tap(.delegate)
        world.advance(60_000)
        world.setClock(offMs: dayMs)
        #expect(world.tap(.blocked)?.scan.verdict == .blocked)
        #expect(world.tap(.early, .out)?.scan.verdict == .admitted)
        world.advance(60_000)
        world.setClock(offMs: 0)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
    }

    @Test func untrustedClockStaysUntrustedAfterRestart() throws {
        let world = try world()
        try world.start()
        world.setClock(offMs: 3_600_000)
        world.tap(.delegate)
        world.setClock(offMs: 0)
        for _ in 0..<3 {
            world.advance(60_000)
            #expect(world.tap(.blocked)?.scan.flags == .clockNotTrusted)
            try world.start()
        }
        world.setSynchronised(true)
        #expect(world.tap(.blocked)?.scan.flags == [])
    }

    /// A device without a battery boots in 1970, and its clock is set right while it runs, or after another boot.
    @Test(arguments: [(true, false), (false, false), (false, true), (true, true)])
    func admissionUnderADoubtedClockIsKept(_ restarts: Bool, _ reboots: Bool) throws {
        let world = try world()
        world.setClock(offMs: -world.device.now.trueMs)
        try world.start()
        #expect(world.tap(.delegate)?.scan.flags == .clockNotTrusted)
        world.advance(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        world.setClock(offMs: 0)
        world.setSynchronised(true)
        if reboots { world.reboot() }
        if restarts || reboots { try world.start() }
        world.advance(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
        #expect(world.tap(.delegate, .out)?.scan.verdict == .admitted)
        world.advance(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
    }

    /// Leaving does not give a ticket without re-entry a second entry.
    @Test(arguments: [false, true]) func ticketWithoutReentryOpensOnceUnderADoubtedClock(_ reboots: Bool) throws {
        let world = try LaneWorld()
        try world.venue.install(version: 100, days: -1...14, reentry: .none)
        world.setClock(offMs: -world.device.now.trueMs)
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        world.advance(60_000)
        #expect(world.tap(.delegate, .out)?.scan.verdict == .admitted)
        world.setClock(offMs: 0)
        world.setSynchronised(true)
        if reboots {
            world.reboot()
            try world.start()
        }
        world.advance(60_000)
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
    }

    /// The band is not kept out on the next day: its age is known by the monotonic clock.
    @Test func admissionUnderADoubtedClockEndsWithItsDay() throws {
        let world = try world()
        world.setClock(offMs: -world.device.now.trueMs)
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        world.advance(dayMs)
        world.setClock(offMs: 0)
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
    }

    @Test func clockBefore2020IsDoubtedWithoutASnapshot() {
        let clock = DeviceClock()
        #expect(!clock.isTrusted(atMs: 86_400_000) { false } && clock.isTrusted(atMs: 86_400_000) { true })
        #expect(clock.isTrusted(atMs: DeviceClock.earliestMs) { false })
    }

    @Test func clockAlarmIsRaisedWithoutATap() throws {
        let world = try world()
        try world.start()
        world.tap(.delegate)
        world.advance(60_000)
        world.setClock(offMs: -dayMs)
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [.clockNotTrusted])
        world.setClock(offMs: 0)
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [])
    }

    @Test func presenceEndsEachDayAfterTheLastKnownDay() throws {
        let world = try world()
        try world.venue.install(version: 101, policy: hard, expiresS: LaneFixture.day + 3 * 86_400, days: -1...1)
        try world.start()
        for day in 0..<5 {
            #expect(world.tap(.delegate)?.scan.verdict == .admitted, "day \(day)")
            world.advance(60_000)
            #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "day \(day)")
            world.advance(dayMs - 60_000)
        }
    }

    /// One day with more rows than a start replays.
    @Test func longJournalIsReplayedInBoundedTime() throws {
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
        world.advance(60_000)
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside)
    }
}
