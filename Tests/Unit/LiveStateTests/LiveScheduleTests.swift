import TestSupport
import Testing

@testable import LiveState

/// Tests when each part of the state is computed, with a simulated clock.
@Suite struct LiveScheduleTests {
    /// A computation: part, start and duration in milliseconds.
    private struct Run {
        var part: LivePart
        var startMs: Int64
        var tookMs: Int64
        var isBacklog: Bool
    }

    /// Simulates the computing thread.
    private func simulate(
        untilMs: Int64, demand: LiveDemand = .viewers, isBacklog: (Int64) -> Bool = { _ in false },
        tookMs: (LivePart) -> Int64
    ) -> [Run] {
        var (schedule, nowMs, runs) = (LiveSchedule(), Int64(5_000), [Run]())
        let endMs = nowMs + untilMs
        while let next = schedule.next(nowMs: nowMs, demand, isBacklog: isBacklog(nowMs)), next.atMs < endMs {
            guard next.atMs <= nowMs else {
                // The thread looks again at least once a second.
                nowMs = min(next.atMs, nowMs + 1_000)
                continue
            }
            let took = tookMs(next.part)
            runs.append(Run(part: next.part, startMs: nowMs, tookMs: took, isBacklog: isBacklog(nowMs)))
            nowMs += took
            schedule.finished(next.part, startMs: nowMs - took, tookMs: took)
        }
        return runs
    }

    private func starts(_ runs: [Run], _ part: LivePart) -> [Int64] {
        runs.filter { $0.part == part }.map(\.startMs)
    }

    @Test func nothingIsComputedWithoutDemand() {
        #expect(LiveSchedule().next(nowMs: 7, .none, isBacklog: false) == nil)
    }

    @Test func eachPartHasItsOwnRate() {
        let runs = simulate(untilMs: 60_000) { _ in 10 }
        #expect(starts(runs, .counts).count == 60)
        #expect(starts(runs, .fleet).count == 30)
        #expect(starts(runs, .ingest).count == 30)
        #expect(starts(runs, .flow).count == 6)
        #expect(runs.first?.part == .counts)
    }

    @Test(arguments: 0..<40) func partUsesAtMostATenthOfAConnection(seed: Int) {
        var random = TestRandom(seed)
        var backlogUntilMs: Int64 = 0
        let runs = simulate(
            untilMs: 300_000,
            isBacklog: { nowMs in
                // Backlogs begin and end at times that depend on the seed.
                if nowMs > backlogUntilMs + Int64(seed) * 500 { backlogUntilMs = nowMs + 20_000 }
                return nowMs < backlogUntilMs
            }, tookMs: { part in Int64.random(in: 1...(part == .flow ? 900 : 250), using: &random) })
        for part in LivePart.allCases {
            let own = runs.filter { $0.part == part }
            for (run, next) in zip(own, own.dropFirst()) {
                let intervalMs = next.startMs - run.startMs
                #expect(intervalMs >= max(part.periodMs, 10 * run.tookMs), "\(run)")
                let shareMs = min(50 * run.tookMs, 5 * part.periodMs, LiveSchedule.maximumMs)
                if next.isBacklog { #expect(intervalMs >= shareMs, "\(run)") }
            }
        }
        for (run, next) in zip(runs, runs.dropFirst()) { #expect(next.startMs >= run.startMs + run.tookMs) }
    }

    @Test func countsAreComputedWithinFiveSecondsInABacklog() {
        let runs = simulate(untilMs: 60_000, isBacklog: { _ in true }, tookMs: { _ in 80 })
        let counts = starts(runs, .counts)
        for (one, next) in zip(counts, counts.dropFirst()) { #expect((4_000...5_000).contains(next - one)) }
    }

    @Test func metricsAloneAreComputedEveryTenSeconds() {
        let runs = simulate(untilMs: 60_000, demand: .metrics) { _ in 20 }
        for part in LivePart.allCases { #expect(starts(runs, part).count == 6) }
    }

    @Test func newViewerNeedsNoWaitAfterMetrics() {
        var schedule = LiveSchedule()
        schedule.finished(.counts, startMs: 1_000, tookMs: 20)
        #expect(schedule.next(nowMs: 3_000, .viewers, isBacklog: false)?.atMs == 3_000)
    }

    @Test func slowestPartIsTriedAgainWithinHalfAMinute() {
        var schedule = LiveSchedule()
        schedule.finished(.flow, startMs: 0, tookMs: 60_000)
        #expect(schedule.intervalMs(.flow, .viewers, isBacklog: true) == 30_000)
    }
}
