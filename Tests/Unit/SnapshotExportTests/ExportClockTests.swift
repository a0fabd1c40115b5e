import Snapshots
import TestSupport
import Testing

@testable import SnapshotExport

/// Tests which of two clocks a snapshot is made by.
@Suite struct ExportClockTests {
    /// 2026-11-25T00:00:00Z, in seconds since 1970.
    private let now: Int64 = 1_795_564_800
    private let day: Int64 = 86_400

    private func check(_ database: Int64, _ machine: Int64) -> (createdS: Int64, expiresS: Int64, isDoubtful: Bool) {
        let clock = ExportClock(databaseS: database, machineS: machine)
        return (clock.nowS, clock.expiresS(after: 2 * day), clock.isDoubtful)
    }

    @Test func snapshotIsNeverCreatedAheadOfOneClock() {
        for (database, machine) in [(now + day, now), (now, now + day), (now + 40 * day, now)] {
            let made = check(database, machine)
            #expect(made.createdS == now && made.isDoubtful)
        }
    }

    @Test func snapshotIsValidByBothClocks() {
        #expect(check(now, now) == (now, now + 2 * day, false))
        // Scanners tolerate a small difference.
        #expect(check(now + 300, now) == (now, now + 2 * day, false))
        #expect(check(now, now + 301) == (now, now + 2 * day + 301, true))
        for ahead in [1, 3, 7] as [Int64] { #expect(check(now + ahead * day, now).expiresS == now + (2 + ahead) * day) }
        // The lifetime does not grow with every error of a clock.
        #expect(check(now + 4_000 * day, now).expiresS == now + 9 * day)
    }

    @Test func clockThatWasNeverSetIsIgnored() {
        for pair in [(now, 0), (0, now), (now, InstallClock.earliestS - 1)] as [(Int64, Int64)] {
            #expect(check(pair.0, pair.1) == (now, now + 2 * day, true))
        }
        #expect(check(100, 200).createdS == 200)
    }

    @Test func snapshotOfTheFutureIsDue() {
        func isDue(aheadS: Int64) -> Bool {
            Manifest.isDue(
                createdS: now + aheadS, expiresS: now + aheadS + 2 * day, freshSinceS: now - day, nowS: now)
        }
        #expect(!isDue(aheadS: 0) && !isDue(aheadS: ExportClock.differenceLimitS))
        #expect(isDue(aheadS: ExportClock.differenceLimitS + 1) && isDue(aheadS: day))
    }
}
