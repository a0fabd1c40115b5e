import Testing

@testable import Tracking

/// Tests when the tracker and the refresh of double admissions run.
struct TrackerPaceTests {
    @Test func presenceWithoutABacklogIsWithinTheSecond() {
        #expect(TrackerPace.intervalMs(tookMs: 2, scans: 100) == 40)
        #expect(TrackerPace.intervalMs(tookMs: 50, scans: 2_000) == 200)
        #expect(TrackerPace.intervalMs(tookMs: 2_000, scans: 2_000) == 700)
    }

    @Test(arguments: [1, 100, 175, 176, 400, 500] as [Int64])
    func backlogUsesAQuarterOfAConnection(tookMs: Int64) {
        let interval = TrackerPace.intervalMs(tookMs: tookMs, scans: TrackerPace.backlogScans)
        #expect(4 * tookMs <= interval)
        #expect(interval >= 700)
    }

    @Test func stalledTransactionInABacklogDelaysTheNextByTwoSeconds() {
        #expect(TrackerPace.intervalMs(tookMs: 60_000, scans: 1_000_000) == 2_000)
    }

    @Test func trackingDoesNotPauseAfterABacklog() {
        #expect(TrackerPace.intervalMs(tookMs: 400, scans: 1_000_000, isStoring: false) == 400)
        #expect(TrackerPace.intervalMs(tookMs: 2, scans: 100, isStoring: false) == 40)
    }

    /// A backlog is tracked in transactions with seconds between them.
    @Test func rateOfABacklogIsHighUntilItsEnd() {
        var rate = TrackedRate(startMs: 0)
        var total = 0
        for second in 1...Int64(30) {
            if second % 3 == 0, second <= 21 { total += 600_000 }
            let isHigh = rate.isHigh(atMs: second * 1_000, total: total)
            #expect(isHigh == (3...25).contains(second), "second \(second)")
        }
    }

    @Test func rateOfGatesIsLow() {
        var rate = TrackedRate(startMs: 0)
        var high = (1...Int64(20)).filter { rate.isHigh(atMs: $0 * 1_000, total: Int($0) * 9_000) }
        #expect(high == [])
        // A check after a long refresh, then a backlog.
        high = [(120_000, 900_000), (125_000, 960_000)].filter { rate.isHigh(atMs: $0.0, total: $0.1) }.map(\.0)
        #expect(high == [125_000])
    }
}
