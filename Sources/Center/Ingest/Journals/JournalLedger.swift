/// The fields that make two scans with the same seq the same scan (contract.md section 4).
struct ScanContent: Hashable, Sendable {
    var tag: Int64
    /// Microseconds since 1970-01-01 UTC.
    var atMicros: Int64
    var verdict: UInt8
    var flags: UInt8
}

/// Classifies the scans of one journal as new, duplicate or conflicting.
///
/// The batches of a group are classified in the order of receipt.
///
/// A pure state machine. Its input is the journal's locked row, its gaps, and the stored scans in the ranges that
/// `lookup` returns. A batch above the last seq is new without a comparison.
struct JournalLedger: Sendable {
    /// The result for one batch.
    struct Classification: Equatable, Sendable {
        /// The seqs to store: ascending, disjoint.
        var new: [ClosedRange<Int64>] = []
        var duplicates = 0
        /// Seqs that are held already with other contents.
        var conflicts: [Int64] = []
        /// Whether the journal already held a seq at or above the first one of the batch.
        var isBehind = false
    }

    private struct Segment: Sendable {
        let range: ClosedRange<Int64>
        /// The batch of the group that holds it.
        let source: Int
    }

    /// `last_seq` as in the database.
    let lastStored: Int64
    /// `last_seq` including the batches classified so far.
    private(set) var last: Int64
    private(set) var gaps: SeqGaps
    /// The stored scans of the ranges that were looked up, by seq.
    var stored: [Int64: ScanContent] = [:]
    /// The scans of this group, by first seq.
    private var segments: [Segment] = []

    /// Retention has dropped the stored scans up to this seq. They count as held, whatever their contents were.
    let retired: Int64

    init(last: Int64 = 0, gaps: SeqGaps = SeqGaps(), retired: Int64 = 0) {
        lastStored = last
        self.last = last
        self.gaps = gaps
        self.retired = retired
    }

    /// The first seq that is not stored yet.
    var next: Int64 { gaps.first ?? last + 1 }

    /// Returns the part of a batch that must be compared with the database; `nil` if the batch is new or holds no scan.
    func lookup(first: Int64, count: Int) -> ClosedRange<Int64>? {
        guard count > 0, first <= lastStored else { return nil }
        return first...min(first + Int64(count) - 1, lastStored)
    }

    /// Classifies the next batch of the group.
    ///
    /// - Parameters:
    ///   - first: the first seq of the batch.
    ///   - count: the number of scans; 0 for a heartbeat.
    ///   - source: the index of the batch in the group.
    ///   - content: returns the scan of a batch (source, seq). Called only for scans that may be held already.
    mutating func classify(
        first: Int64, count: Int, source: Int, content: (Int, Int64) -> ScanContent
    ) -> Classification {
        guard count > 0 else { return Classification() }
        let batch = first...first + Int64(count) - 1
        if first > last {
            if first > last + 1 { gaps.open(last + 1...first - 1) }
            last = batch.upperBound
            segments.append(Segment(range: batch, source: source))
            return Classification(new: [batch])
        }
        var result = Classification(isBehind: true)
        for seq in batch {
            let held = stored[seq] ?? holder(of: seq).map { content($0, seq) }
            if let held {
                if held == content(source, seq) { result.duplicates += 1 } else { result.conflicts.append(seq) }
            } else if seq <= retired, !gaps.contains(seq) {
                result.duplicates += 1
            } else if let end = result.new.last, end.upperBound == seq - 1 {
                result.new[result.new.count - 1] = end.lowerBound...seq
            } else {
                result.new.append(seq...seq)
            }
        }
        for range in result.new {
            gaps.fill(range)
            last = max(last, range.upperBound)
            segments.insert(Segment(range: range, source: source), at: position(of: range.lowerBound))
        }
        return result
    }

    /// Returns the number of segments that begin at or below `seq`.
    private func position(of seq: Int64) -> Int {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].range.lowerBound <= seq { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Returns the batch of this group that holds `seq`.
    private func holder(of seq: Int64) -> Int? {
        let position = position(of: seq)
        guard position > 0, segments[position - 1].range.contains(seq) else { return nil }
        return segments[position - 1].source
    }
}
