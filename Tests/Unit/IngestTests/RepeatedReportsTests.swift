import Testing

@testable import Ingest

/// Tests the limit of repeated log lines.
struct RepeatedReportsTests {
    private func due(_ reports: inout RepeatedReports, _ keys: [String], atMs nowMs: Int64) -> [String] {
        keys.filter { reports.isDue($0, nowMs: nowMs) }
    }

    @Test func keyIsReportedOnceAnHour() {
        var reports = RepeatedReports()
        let first = due(&reports, ["a", "b", "a"], atMs: 0)
        let early = due(&reports, ["a", "c"], atMs: RepeatedReports.intervalMs - 1)
        let later = due(&reports, ["a", "b", "c"], atMs: RepeatedReports.intervalMs)
        #expect(first == ["a", "b"] && early == ["c"] && later == ["a", "b"])
    }

    @Test func keysAreLimitedUntilTheIntervalEnds() {
        var reports = RepeatedReports()
        let keys = (0...RepeatedReports.keysLimit).map(String.init)
        let first = due(&reports, keys, atMs: 0)
        let later = due(&reports, ["one more"], atMs: RepeatedReports.intervalMs)
        #expect(first.count == RepeatedReports.keysLimit && later == ["one more"])
    }
}
