import TestSupport
import Testing

@testable import SnapshotExport

@Suite struct ExportPlanTests {
    @Test func noExportWithoutChange() {
        let plan = ExportPlan()
        #expect(plan.delayMs(nowMs: 1_000, isDue: false) == nil)
        #expect(plan.delayMs(nowMs: 1_000, isDue: true) == 0)
    }

    @Test func changeIsExportedAfterDebounceOfFirstOne() {
        var plan = ExportPlan()
        plan.changed(nowMs: 1_000)
        #expect(plan.delayMs(nowMs: 1_000, isDue: false) == 5_000)
        plan.changed(nowMs: 4_000)
        #expect(plan.delayMs(nowMs: 4_000, isDue: false) == 2_000)
        #expect(plan.delayMs(nowMs: 9_000, isDue: false) == 0)
        #expect(plan.delayMs(nowMs: 4_000, isDue: true) == 0)
        plan.begin(nowMs: 9_000)
        plan.ended(nowMs: 9_100)
        #expect(plan.delayMs(nowMs: 9_100, isDue: false) == nil)
    }

    @Test func exportIsFollowedByPause() {
        var plan = ExportPlan()
        for (began, length, rest) in [(0, 4_000, 12_000), (100_000, 10_000, 15_000), (200_000, 100, 10_000)]
            as [(Int64, Int64, Int64)]
        {
            plan.begin(nowMs: began)
            plan.changed(nowMs: began + 10)
            plan.ended(nowMs: began + length)
            #expect(plan.delayMs(nowMs: began + length, isDue: false) == rest)
            #expect(plan.delayMs(nowMs: began + length, isDue: true) == rest)
        }
    }

    @Test func rejectedListWaitsForNextChange() {
        var plan = ExportPlan()
        plan.changed(nowMs: 0)
        plan.begin(nowMs: 5_000)
        plan.rejected(nowMs: 5_100)
        #expect(plan.delayMs(nowMs: 6_000, isDue: false) == nil)
        #expect(plan.delayMs(nowMs: 5_100, isDue: true) == ExportPlan.rejectedPauseMs)
        plan.changed(nowMs: 20_000)
        #expect(plan.delayMs(nowMs: 20_000, isDue: true) == 5_000)
    }

    @Test func failureIsRetriedWithBackoff() {
        var plan = ExportPlan()
        plan.changed(nowMs: 0)
        var now: Int64 = 5_000
        for _ in 0..<50 {
            #expect(plan.delayMs(nowMs: now, isDue: false) == 0)
            plan.begin(nowMs: now)
            let pause = plan.failed(nowMs: now)
            #expect((1_000...Int64(ExportPlan.backoffCapMs)).contains(pause))
            #expect(plan.isChanged)
            now += max(pause, 5_000)
        }
        plan.begin(nowMs: now)
        plan.ended(nowMs: now)
        #expect(!plan.isChanged)
        plan.begin(nowMs: now)
        #expect(plan.failed(nowMs: now) <= 2_000)
    }

    /// Random changes: each is in a snapshot within 30 s, and exports take less than a third of the time.
    @Test(arguments: 0..<50)
    func everyChangeIsPublishedWithinHalfMinute(seed: UInt64) {
        var random = TestRandom(seed: seed)
        let exportMs = Int64.random(in: 50...5_000, using: &random)
        let gapMs = Int64.random(in: 1...20_000, using: &random)
        var (plan, now, nextChange, busyMs): (ExportPlan, Int64, Int64, Int64) = (ExportPlan(), 0, 100, 0)
        var (unread, slowestMs): ([Int64], Int64) = ([], 0)
        func hear(until time: Int64) {
            while nextChange <= time {
                unread.append(nextChange)
                nextChange += Int64.random(in: 1...gapMs, using: &random)
            }
        }
        let endMs: Int64 = 600_000
        while now < endMs {
            hear(until: now)
            if !unread.isEmpty { plan.changed(nowMs: now) }
            guard let delay = plan.delayMs(nowMs: now, isDue: false) else {
                now = nextChange
                continue
            }
            now += delay
            hear(until: now)
            plan.begin(nowMs: now)
            now += exportMs
            busyMs += exportMs
            slowestMs = max(slowestMs, unread.map { now - $0 }.max() ?? 0)
            unread = []
            plan.ended(nowMs: now)
        }
        #expect(slowestMs < 30_000, "seed \(seed)")
        #expect(busyMs * 3 < now, "seed \(seed)")
        #expect(busyMs > 0, "seed \(seed)")
    }
}
