import Ingest
import ScanBatchCodec
import ScanModel
import ScanRuns
import TestSupport
import Tracking

/// Holds the stored scans of an ingest store until a test tracks them.
final class HeldRuns {
    var runs: [StoredScans] = []

    /// Returns a store that adds its committed runs to `runs`.
    func store(_ database: TestDatabase) throws -> IngestStore {
        try IngestStore(database.connect(), relayUsers: [IngestFixture.relay]) { self.runs += $0 }
    }

    func removeAll() -> [StoredScans] {
        defer { runs = [] }
        return runs
    }
}

extension MadeJournal {
    /// All scans in batches, as few as possible.
    func batches() -> [ScanBatch] {
        var batches: [ScanBatch] = []
        var first = 1
        while first <= scans.count {
            let count = ScanBatch.cut(scans[(first - 1)...])
            batches.append(batch(first, count))
            first += count
        }
        return batches
    }

    /// Returns journals of a few tags at three gates: admissions in both directions, annulments, rejections, lane events
    /// and inspections, with device times in any order, and clocks that started in the past.
    static func tracked(_ random: inout TestRandom) -> [MadeJournal] {
        ["s-1", "s-2", "s-3", "s-4", "s-1"].map { scanner in
            let scans = (1...Int64.random(in: 2...40, using: &random)).map { seq -> Scan in
                let verdict =
                    [
                        Verdict.admitted, .admitted, .admitted, .annulled, .annulled, .noAccess, .passageWithoutTap,
                        .laneFree,
                    ]
                    .randomElement(using: &random)!
                var flags: Flags = Bool.random(using: &random) ? .out : []
                if Int.random(in: 0..<8, using: &random) == 0 { flags.insert(.inspection) }
                // A clock without a battery starts in 1970.
                let isDoubted = Int.random(in: 0..<4, using: &random) == 0
                if isDoubted { flags.insert(.clockNotTrusted) }
                let startMs = isDoubted ? 0 : IngestFixture.day / 1_000
                return Scan(
                    seq: seq, atMs: startMs + .random(in: 0...400_000, using: &random),
                    tag: verdict.rawValue >= 128 ? .none : TagID(rawValue: .random(in: 1...6, using: &random)),
                    verdict: verdict, flags: flags, gate: [nil, 1, 2].randomElement(using: &random)!, snapshot: 7)
            }
            return MadeJournal(scanner: scanner, journalID: .random(), scans: scans)
        }
    }
}
