package import ScanModel

/// A run of scans of one batch that a committed transaction has stored: one row of `tapline_internal.tracking_queue`, with its content.
///
/// Columns of equal length, one element a scan; seqs rise by one from `first`.
package struct StoredScans: Sendable {
    /// The journal's row in the database.
    package var journal: Int64
    package var scanner: String
    package var log: JournalID
    package var first: Int64
    /// Device times: `baseMicros`, microseconds since 1970-01-01 UTC, and milliseconds from it.
    package var baseMicros: Int64
    package var atMs: ArraySlice<Int32>
    package var tags: ArraySlice<Int64>
    package var verdicts: ArraySlice<UInt8>
    package var flags: ArraySlice<UInt8>
    package var gate: Int64?
    package var snapshot: Int64
    /// Center clock, microseconds since 1970-01-01 UTC.
    package var receivedMicros: Int64
    /// The journal held scans above these already: what an annulment means may have changed.
    package var isBehind: Bool

    package init(
        journal: Int64, scanner: String, log: JournalID, first: Int64, baseMicros: Int64, atMs: ArraySlice<Int32>,
        tags: ArraySlice<Int64>, verdicts: ArraySlice<UInt8>, flags: ArraySlice<UInt8>, gate: Int64?,
        snapshot: Int64 = 0, receivedMicros: Int64, isBehind: Bool
    ) {
        precondition(atMs.count == tags.count && atMs.count == verdicts.count && atMs.count == flags.count)
        (self.journal, self.scanner, self.log, self.first) = (journal, scanner, log, first)
        (self.baseMicros, self.atMs, self.tags) = (baseMicros, atMs, tags)
        (self.verdicts, self.flags, self.gate, self.snapshot) = (verdicts, flags, gate, snapshot)
        (self.receivedMicros, self.isBehind) = (receivedMicros, isBehind)
    }

    package var count: Int { atMs.count }

    /// least(scanned_at, received_at) of the scan at an offset (0 ..< count), microseconds since 1970-01-01 UTC.
    func orderedMicros(_ offset: Int) -> Int64 {
        min(baseMicros + Int64(atMs[atMs.startIndex + offset]) * 1_000, receivedMicros)
    }

    /// The earliest and the latest time of its scans (`orderedMicros`).
    var span: ClosedRange<Int64> {
        let first = min(baseMicros + Int64(atMs.min() ?? 0) * 1_000, receivedMicros)
        return first...max(first, min(baseMicros + Int64(atMs.max() ?? 0) * 1_000, receivedMicros))
    }

    /// Annulments of a tag: the offsets of verdict 64.
    var annulments: [Int] {
        guard verdicts.contains(Verdict.annulled.rawValue) else { return [] }
        return (0..<count).filter {
            verdicts[verdicts.startIndex + $0] == Verdict.annulled.rawValue
                && tags[tags.startIndex + $0] != TagID.none.rawValue
        }
    }
}
