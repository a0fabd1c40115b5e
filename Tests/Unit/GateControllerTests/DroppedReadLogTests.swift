import ScanModel
import Testing

@testable import GateController

@Suite struct DroppedReadLogTests {
    @Test func logLinesAreAMinuteApartAndCountAll() {
        var reads = DroppedReads()
        #expect(reads.note(.noise, count: 1, nowMs: 5) == 1)
        #expect(reads.note(.noise, count: 2, nowMs: 6) == nil)
        #expect(reads.note(.tooLong, count: 3, nowMs: 5 + DroppedReads.logMs - 1) == nil)
        #expect(reads.note(.noise, count: 1, nowMs: 5 + DroppedReads.logMs) == 6)
        #expect(reads.count == 7 && reads.last == .noise)
    }
}
