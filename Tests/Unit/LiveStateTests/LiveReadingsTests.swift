import LinuxSystem
import Runtime
import TestSupport
import Testing

@testable import LiveState

/// Tests the numbers that metrics show of the live state.
@Suite struct LiveReadingsTests {
    private let board = LiveBoard()
    private let puts = Recorder<LivePart>()

    /// Each computation is at another millisecond.
    private func put(_ part: LivePart, _ texts: [String: String]) {
        puts.record(part)
        board.put(
            LiveStore.Result(texts: texts), part, intervals: LiveSchedule().intervals(.metrics, isBacklog: false),
            nowMs: SystemClock.monotonicMs() + Int64(1_000 * puts.all.count))
    }

    private func putEvent(_ day: String) {
        put(.ingest, ["event": #"{"day":"\#(day)","day_start":"\#(day)T04:00:00.000Z"}"#])
    }

    private func putCounts(asOf time: String) {
        put(
            .counts,
            [
                "zones": #"{"as_of":"\#(time)","rows":[]}"#, "gates": #"{"as_of":"\#(time)","rows":[]}"#,
                "drops": "{}",
            ])
    }

    @Test func countOfTheDayFallsOnlyWithTheDay() {
        let readings = LiveReadings(board, Mailbox(capacity: 1))
        putEvent("2026-06-01")
        putCounts(asOf: "2026-06-01T20:00:00.000Z")
        #expect(readings.held("in", 1, 9) == 9)
        #expect(readings.held("in", 1, 8) == 9)
        #expect(readings.held("in", 2, 3) == 3)
        // The new day is known before its first counts.
        putEvent("2026-06-02")
        #expect(readings.held("in", 1, 8) == 9)
        putCounts(asOf: "2026-06-02T04:00:01.000Z")
        #expect(readings.held("in", 1, 0) == 0)
        #expect(readings.held("in", 1, 2) == 2)
    }

    @Test func countStaysWhileTheDayIsNotKnown() {
        let readings = LiveReadings(board, Mailbox(capacity: 1))
        putEvent("2026-06-01")
        putCounts(asOf: "2026-06-01T20:00:00.000Z")
        #expect(readings.held("in", 1, 9) == 9)
        put(.ingest, [:])
        #expect(readings.held("in", 1, 7) == 9)
        putEvent("2026-06-01")
        #expect(readings.held("in", 1, 7) == 9)
    }

    @Test func ageOfAPartGrowsWhenItIsForgotten() {
        let readings = LiveReadings(board, Mailbox(capacity: 1))
        #expect(readings.ages.isEmpty)
        let nowMs = SystemClock.monotonicMs()
        board.put(
            LiveStore.Result(), .counts, intervals: LiveSchedule().intervals(.metrics, isBacklog: false),
            nowMs: nowMs - 2 * LiveBoard.forgottenMs)
        #expect(readings.contents.0.items.isEmpty)
        #expect(readings.ages[.counts].map { $0 >= 2 * LiveBoard.forgottenMs } == true)
    }
}
