/// The seqs of a journal below its last that were never stored, as disjoint ranges in order.
struct SeqGaps: Equatable, Sendable {
    struct Gap: Hashable, Sendable {
        var first: Int64
        var last: Int64
        /// When somebody said that these scans will not come; microseconds since 1970-01-01 UTC.
        var acceptedAt: Int64?
    }

    private(set) var all: [Gap] = []

    init(_ gaps: [Gap] = []) { all = gaps.sorted { $0.first < $1.first } }

    var first: Int64? { all.first?.first }

    func contains(_ seq: Int64) -> Bool {
        // Few gaps, or none.
        all.contains { $0.first <= seq && seq <= $0.last }
    }

    /// A new gap above all others.
    mutating func open(_ range: ClosedRange<Int64>) {
        precondition((all.last?.last ?? 0) < range.lowerBound)
        all.append(Gap(first: range.lowerBound, last: range.upperBound))
    }

    /// Takes a range out; what is left of a gap keeps its acceptance.
    mutating func fill(_ range: ClosedRange<Int64>) {
        guard let start = all.firstIndex(where: { $0.last >= range.lowerBound }) else { return }
        var end = start
        var left: [Gap] = []
        while end < all.count, all[end].first <= range.upperBound {
            let gap = all[end]
            if gap.first < range.lowerBound {
                left.append(Gap(first: gap.first, last: range.lowerBound - 1, acceptedAt: gap.acceptedAt))
            }
            if gap.last > range.upperBound {
                left.append(Gap(first: range.upperBound + 1, last: gap.last, acceptedAt: gap.acceptedAt))
            }
            end += 1
        }
        all.replaceSubrange(start..<end, with: left)
    }

    /// What turns `old` into this: rows to delete, by their first seq, and rows to insert.
    func changes(from old: SeqGaps) -> (deleted: [Int64], inserted: [Gap]) {
        let (before, after) = (Set(old.all), Set(all))
        return (old.all.filter { !after.contains($0) }.map(\.first), all.filter { !before.contains($0) })
    }
}
