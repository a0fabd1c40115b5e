import Snapshots
import Testing

@Suite struct DayStartsTests {
    private let hourMs: Int64 = 3_600_000
    private let firstMs: Int64 = 100 * 24 * 3_600_000

    private func days(_ starts: Int64...) -> DayStarts {
        DayStarts(starts.map { Day(day: "", starts: $0 / 1_000, ends: 0) })
    }

    @Test func daysOutsideTheSnapshotHave24Hours() {
        let dayMs = 24 * hourMs
        // The second day is longer by an hour.
        let days = days(firstMs, firstMs + 25 * hourMs)
        for (atMs, start) in [
            (firstMs, firstMs), (firstMs + 25 * hourMs - 1, firstMs), (firstMs - 1, firstMs - dayMs),
            (firstMs - dayMs, firstMs - dayMs), (firstMs - dayMs - 1, firstMs - 2 * dayMs),
            (firstMs + 50 * hourMs, firstMs + 49 * hourMs),
        ] as [(Int64, Int64)] { #expect(days.start(atMs: atMs) == start, "\(atMs - firstMs)") }
        #expect(days.start(atMs: -1) == .min)
    }

    @Test func uncertainTimesBeforeTheFirstDayAreOneDay() {
        let days = days(firstMs)
        #expect(days.start(atMs: firstMs - 1, isCertain: false) == .min)
        #expect(days.start(atMs: 0, isCertain: false) == .min)
        #expect(days.start(atMs: firstMs, isCertain: false) == firstMs)
        #expect(DayStarts().start(atMs: firstMs) == .min)
    }
}
