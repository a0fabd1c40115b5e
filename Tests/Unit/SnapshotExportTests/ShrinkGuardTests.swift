import Testing

@testable import SnapshotExport

@Suite struct ShrinkGuardTests {
    private func measured(_ lengths: [Int64]) -> ShrinkGuard {
        var shrinking = ShrinkGuard()
        for (index, length) in lengths.enumerated() {
            shrinking.addPublished(version: Int64(index + 1), attendees: length)
        }
        return shrinking
    }

    @Test(
        arguments: [
            // The first snapshot of a database.
            ([], 0, nil), ([0], 0, nil), ([100], 90, nil), ([100], 89, 1),
            // Small losses each time.
            ([100, 96, 92], 90, nil), ([100, 96, 92], 89, 1),
            // A longer list becomes the reference.
            ([100, 200], 179, 2), ([100, 200], 180, nil),
            // A far shorter list was allowed, and becomes the reference.
            ([100, 96, 50], 45, nil), ([100, 96, 50], 44, 3), ([100, 92, 88], 80, nil), ([100, 92, 88], 79, 3),
            ([100, 0], 0, nil), ([100, 50, 55], 49, 3),
        ] as [([Int64], Int64, Int64?)])
    func listIsComparedWithLongestSinceAllowedShrink(published: [Int64], next: Int64, refusedFor: Int64?) {
        let refusal = measured(published).rejection(of: next)
        let expected = refusedFor.map {
            ExportRejection.shrunk(attendees: next, last: published[Int($0) - 1], lastVersion: $0)
        }
        #expect(refusal == expected)
    }

    @Test(
        arguments: [
            (0, 10, false), (0, 11, true), (89, 100, true), (90, 100, false), (1, 2, false), (0, 1_000_000, true),
            (950_000, 1_000_000, false), (5, 0, false),
        ] as [(Int64, Int64, Bool)])
    func largeLossOfActiveTagsIsRejected(now: Int64, last: Int64, isRefused: Bool) {
        #expect(ExportRejection.hasFewerActive(now, than: last) == isRefused)
    }
}
