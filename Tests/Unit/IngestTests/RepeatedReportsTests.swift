import Testing

@testable import Ingest

/// Tests the limit of repeated log lines.
struct RepeatedReportsTests {
    @Test func keyIsReportedOnceAnHour() {
        var reports = RepeatedReports()
        #expect(reports.isDue("a", nowMs: 0))
        #expect(reports.isDue("b", nowMs: 1))
        #expect(!reports.isDue("a", nowMs: RepeatedReports.intervalMs - 1))
        #expect(reports.isDue("a", nowMs: RepeatedReports.intervalMs))
    }

    @Test func keysAreLimitedUntilTheIntervalEnds() {
        var reports = RepeatedReports()
        for key in 0..<RepeatedReports.keysLimit { #expect(reports.isDue("\(key)", nowMs: 0)) }
        #expect(!reports.isDue("one more", nowMs: 1))
        #expect(reports.isDue("one more", nowMs: RepeatedReports.intervalMs))
    }
}
