import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

@testable import Ingest

/// Where the center places scans whose device clock was not trusted.
@Suite struct ScanPlacementTests {
    private static let received: Int64 = 1_795_468_000_000_000
    private static let second: Int64 = 1_000_000

    /// A batch of scans, each with its time in seconds before the receipt; `nil` for a clock in 1970.
    private func batch(_ secondsAgo: [Int64?], elapsedMs: [Int32]? = nil) -> ScanBatch {
        let scans = secondsAgo.enumerated().map { index, ago in
            Scan(
                seq: Int64(index + 1), atMs: ago.map { Self.received / 1_000 - $0 * 1_000 } ?? Int64(index),
                tag: TagID(rawValue: 1), verdict: .admitted, flags: ago == nil ? .clockNotTrusted : [], gate: 7,
                snapshot: 9)
        }
        var batch = ScanBatch(
            heartbeatOf: ScannerID("a")!, journalID: JournalID(high: 1, low: 1), next: 1, gate: 7, snapshot: 9,
            sentMicros: 5_000_000, backlog: 0)
        // The times of these tests are further apart than those of a batch of a publisher.
        batch.baseMicros = Self.received
        batch.atMs = scans.map { Int32(clamping: $0.atMs - Self.received / 1_000) }
        batch.tags = scans.map(\.tag.rawValue)
        batch.verdicts = scans.map(\.verdict.rawValue)
        batch.flags = scans.map(\.flags.rawValue)
        batch.elapsedMs = elapsedMs
        return batch
    }

    private func secondsAgo(_ batch: ScanBatch, createdSecondsAgo: Int64? = 3_600) -> [Int64]? {
        ScanPlacement.times(
            of: batch, receivedMicros: Self.received,
            createdMicros: createdSecondsAgo.map { Self.received - $0 * Self.second }
        )?.map { (Self.received - $0) / Self.second }
    }

    @Test func batchWithoutAFlaggedScanHasNoPlaces() {
        #expect(secondsAgo(batch([60, 30, 0])) == nil)
        #expect(secondsAgo(batch([60, 30], elapsedMs: [1, 1])) == nil)
    }

    @Test func flaggedScanIsPlacedAtItsReceipt() {
        #expect(secondsAgo(batch([nil, nil])) == [0, 0])
        #expect(secondsAgo(batch([nil, nil], elapsedMs: [-1, -1])) == [0, 0])
    }

    @Test func elapsedPlacesTheScanBeforeItsReceipt() {
        #expect(secondsAgo(batch([nil, nil, nil], elapsedMs: [300_000, 120_000, -1])) == [300, 120, 0])
    }

    @Test func placeIsNotBeforeTheSnapshot() {
        #expect(secondsAgo(batch([nil, nil], elapsedMs: [7_200_000, 5_000])) == [3_600, 5])
        #expect(secondsAgo(batch([nil], elapsedMs: [7_200_000]), createdSecondsAgo: nil) == [7_200])
        // A snapshot of the future moves no scan after its receipt.
        #expect(secondsAgo(batch([nil], elapsedMs: [60_000]), createdSecondsAgo: -60) == [0])
    }

    @Test func placeKeepsTheOrderOfTheBatch() {
        // Between scans under a trusted clock.
        #expect(secondsAgo(batch([900, nil, 300, nil])) == [900, 300, 300, 0])
        #expect(secondsAgo(batch([200, nil, 100], elapsedMs: [-1, 500_000, -1])) == [200, 200, 100])
        // A device that contradicts itself.
        #expect(secondsAgo(batch([nil, nil], elapsedMs: [10_000, 60_000])) == [10, 10])
    }

    @Test(arguments: 0..<200) func placesAreBoundedAndInOrder(_ seed: Int) {
        var random = TestRandom(seed)
        let count = Int.random(in: 1...20, using: &random)
        let ago = (0..<count).map { _ in
            Bool.random(using: &random) ? nil : Int64.random(in: -500...2_000, using: &random)
        }
        let elapsed = (0..<count).map { _ in Int32.random(in: -1...5_000_000, using: &random) }
        let batch = batch(ago, elapsedMs: Bool.random(using: &random) ? elapsed : nil)
        guard let places = secondsAgo(batch) else { return #expect(ago.allSatisfy { $0 != nil }) }
        for index in 0..<count {
            #expect(places[index] >= 0)
            if let ago = ago[index] {
                #expect(places[index] == max(0, ago))
            } else {
                #expect(places[index] <= 3_600)
                #expect(places[..<index].allSatisfy { $0 >= places[index] })
            }
        }
    }
}
