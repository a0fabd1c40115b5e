/// What makes two scans with the same number the same scan (SPEC.md section 4).
struct ScanContent: Hashable, Sendable {
    var tag: Int64
    /// Microseconds since 1970-01-01 UTC.
    var atMicros: Int64
    var verdict: UInt8
    var flags: UInt8
}

/// Tells new from old within one journal, for the batches of one group in order of arrival: a pure state machine.
///
/// Its facts are the journal's row, locked, its gaps, and the stored scans in the ranges that `lookup` asks for. A batch
/// above the last seq is new without a look at any scan.
struct JournalLedger: Sendable {
    /// What becomes of a batch.
    struct Classification: Equatable, Sendable {
        /// To be stored: ascending, disjoint.
        var new: [ClosedRange<Int64>] = []
        var duplicates = 0
        /// Seqs that are held already with another content.
        var conflicts: [Int64] = []
        /// Not all of it stands above what was there before.
        var isBehind = false
    }

    private struct Segment: Sendable {
        let range: ClosedRange<Int64>
        /// Which batch of the group holds it.
        let source: Int
    }

    /// `last_seq` as it is in the database.
    let lastStored: Int64
    /// `last_seq` with the batches taken so far.
    private(set) var last: Int64
    private(set) var gaps: SeqGaps
    /// By seq, what the database holds of the ranges that were looked up.
    var stored: [Int64: ScanContent] = [:]
    /// What this group holds, by first seq.
    private var segments: [Segment] = []

    /// Up to here retention has dropped what was stored: it counts as held, whatever it was.
    private let retired: Int64

    init(last: Int64 = 0, gaps: SeqGaps = SeqGaps(), retired: Int64 = 0) {
        (lastStored, self.last, self.gaps, self.retired) = (last, last, gaps, retired)
    }

    /// The first seq not yet stored.
    var next: Int64 { gaps.first ?? last + 1 }

    /// The part of a batch that must be compared with the database; nil for one that is new, or holds no scan.
    func lookup(first: Int64, count: Int) -> ClosedRange<Int64>? {
        guard count > 0, first <= lastStored else { return nil }
        return first...min(first + Int64(count) - 1, lastStored)
    }

    /// Takes the next batch of the group.
    /// - Parameters:
    ///   - source: the number of the batch.
    ///   - fact: the scan of a batch (source, seq), asked only for scans that may be there already.
    mutating func take(first: Int64, count: Int, source: Int, fact: (Int, Int64) -> ScanContent) -> Classification {
        guard count > 0 else { return Classification() }
        let batch = first...first + Int64(count) - 1
        if first > last {
            if first > last + 1 { gaps.open(last + 1...first - 1) }
            last = batch.upperBound
            segments.append(Segment(range: batch, source: source))
            return Classification(new: [batch])
        }
        var verdict = Classification(isBehind: true)
        for seq in batch {
            let held = stored[seq] ?? holder(of: seq).map { fact($0, seq) }
            if let held {
                if held == fact(source, seq) { verdict.duplicates += 1 } else { verdict.conflicts.append(seq) }
            } else if seq <= retired, !gaps.contains(seq) {
                verdict.duplicates += 1
            } else if let end = verdict.new.last, end.upperBound == seq - 1 {
                verdict.new[verdict.new.count - 1] = end.lowerBound...seq
            } else {
                verdict.new.append(seq...seq)
            }
        }
        for range in verdict.new {
            gaps.fill(range)
            last = max(last, range.upperBound)
            segments.insert(Segment(range: range, source: source), at: position(of: range.lowerBound))
        }
        return verdict
    }

    /// How many segments begin at or below `seq`.
    private func position(of seq: Int64) -> Int {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].range.lowerBound <= seq { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func holder(of seq: Int64) -> Int? {
        let position = position(of: seq)
        guard position > 0, segments[position - 1].range.contains(seq) else { return nil }
        return segments[position - 1].source
    }
}
