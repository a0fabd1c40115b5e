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

    /// The groups of a backlog may have seconds between them.
    @Test func rateOfABacklogIsHighUntilItsEnd() {
        var rate = ScanRate()
        for second in 1...Int64(30) {
            if second % 3 == 0, second <= 21 { rate.add(600_000, atMs: second * 1_000) }
            #expect(rate.isHigh(atMs: second * 1_000 + 1) == (3...25).contains(second), "second \(second)")
        }
    }

    @Test func firstGroupOfABacklogMakesTheRateHigh() {
        var rate = ScanRate()
        for ms in stride(from: Int64(0), to: 60_000, by: 1_000) { rate.add(100, atMs: ms) }
        #expect(!rate.isHigh(atMs: 3_600_000))
        rate.add(60_000, atMs: 3_600_000)
        #expect(rate.isHigh(atMs: 3_600_000))
    }

    @Test func rateOfGatesIsLow() {
        var rate = ScanRate()
        for ms in stride(from: Int64(0), to: 60_000, by: 40) {
            rate.add(360, atMs: ms)
            #expect(!rate.isHigh(atMs: ms), "\(ms) ms")
        }
    }
}
