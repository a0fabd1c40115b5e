/// Classifies the scans of one journal as new, duplicate or conflicting, by ranges of seqs.
///
/// The batches of a group are classified in the order of receipt.
///
/// A pure state machine. Its input is the journal's locked row, its gaps, and the stored runs that overlap the ranges
/// of `lookup`. A batch above the last seq is new without a comparison.
struct JournalLedger: Sendable {
    /// The result for one batch.
    struct Classification: Equatable, Sendable {
        /// The seqs to store: ascending, disjoint, not adjacent.
        var new: [ClosedRange<Int64>] = []
        var duplicates = 0
        /// Seqs that are held already with other contents.
        var conflicts: [Int64] = []
        /// Whether the journal already held a seq at or above the first one of the batch.
        var isBehind = false
    }

    /// `last_seq` as in the database.
    let lastStored: Int64
    /// `last_seq` including the batches classified so far.
    private(set) var last: Int64
    private(set) var gaps: SeqGaps
    /// Stored runs that were looked up, and the new scans of this group: ascending, disjoint.
    private var held: [ScanColumns] = []

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

    /// Adds scans that no other call has added: a stored run, before the first batch.
    mutating func hold(_ scans: ScanColumns) { held.insert(scans, at: position(of: scans.first)) }

    /// Classifies the next batch of the group; one without scans is a heartbeat.
    mutating func classify(_ batch: ScanColumns) -> Classification {
        guard batch.count > 0 else { return Classification() }
        var result = Classification(isBehind: batch.first <= last)
        if batch.first > last + 1 { gaps.open(last + 1...batch.first - 1) }
        var next = batch.first
        for index in max(0, position(of: batch.first) - 1)..<held.count {
            let other = held[index]
            guard other.first <= batch.last else { break }
            guard other.last >= next else { continue }
            if other.first > next { classify(missing: next...other.first - 1, &result) }
            let common = max(next, other.first)...min(batch.last, other.last)
            let conflicts = batch.differences(from: other, in: common)
            result.conflicts += conflicts
            result.duplicates += common.count - conflicts.count
            next = common.upperBound + 1
        }
        if next <= batch.last { classify(missing: next...batch.last, &result) }
        for range in result.new {
            gaps.fill(range)
            last = max(last, range.upperBound)
            hold(batch.part(range))
        }
        return result
    }

    /// Classifies scans that are not held: those that retention has dropped are duplicates, the others are new.
    private func classify(missing range: ClosedRange<Int64>, _ result: inout Classification) {
        var new: [ClosedRange<Int64>] = []
        if range.lowerBound <= retired { new = gaps.ranges(in: range.lowerBound...min(range.upperBound, retired)) }
        if range.upperBound > retired { new.append(max(range.lowerBound, retired + 1)...range.upperBound) }
        result.duplicates += range.count
        for part in new {
            result.duplicates -= part.count
            if let end = result.new.last, end.upperBound == part.lowerBound - 1 {
                result.new[result.new.count - 1] = end.lowerBound...part.upperBound
            } else {
                result.new.append(part)
            }
        }
    }

    /// Returns how many of `held` begin at or below `seq`.
    private func position(of seq: Int64) -> Int {
        var (low, high) = (0, held.count)
        while low < high {
            let middle = (low + high) / 2
            if held[middle].first <= seq { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
