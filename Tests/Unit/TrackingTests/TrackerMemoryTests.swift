import Runtime
import ScanModel
import ScanRuns
import Testing

@testable import Tracking

/// Tests the limit of the scans that the tracker holds in memory.
struct TrackerMemoryTests {
    /// Without and with places in time of scans under an untrusted clock.
    @Test(arguments: [false, true]) func queuedScansStayBelowTheLimit(isPlaced: Bool) {
        let count = 10_000
        let run = StoredScans(
            journal: 1, scanner: "s-1", journalID: JournalID(high: 0, low: 1), first: 1, baseMicros: 0,
            atMs: ArraySlice(repeating: 0, count: count), tags: ArraySlice(repeating: 1, count: count),
            verdicts: ArraySlice(repeating: 0, count: count), flags: ArraySlice(repeating: 0, count: count), gate: 1,
            receivedMicros: 0, placedMicros: isPlaced ? ArraySlice(repeating: 0, count: count) : nil, isBehind: false)
        let bytes = count * (isPlaced ? 22 : 14)
        let tracker = Tracker(databaseURL: "postgresql://127.0.0.1:1/none", metrics: Metrics())
        for _ in 0..<1_000 { tracker.enqueue([run, run]) }
        #expect(tracker.waitingBytes == Tracker.memoryLimit / bytes * bytes)
    }
}
