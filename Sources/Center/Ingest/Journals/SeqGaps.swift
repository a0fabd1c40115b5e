/// The seqs of a journal below its last one that were never stored, as disjoint ranges in order.
///
/// Of a journal in the database, only the gaps that a group can change are held (`JournalTable.lock`).
struct SeqGaps: Equatable, Sendable {
    struct Gap: Hashable, Sendable {
        var first: Int64
        var last: Int64
        /// When an operator accepted the gap as lost (`tapline.accept_gap`), microseconds since 1970-01-01 UTC; `nil`
        /// if open.
        var acceptedAt: Int64?
    }

    private(set) var all: [Gap] = []

    init(_ gaps: [Gap] = []) { all = gaps.sorted { $0.first < $1.first } }

    /// The first missing seq; `nil` if there is no gap.
    var first: Int64? { all.first?.first }

    /// Returns the missing seqs of a range, in order.
    func ranges(in range: ClosedRange<Int64>) -> [ClosedRange<Int64>] {
        // Linear: few gaps are held.
        all.lazy.filter { $0.first <= range.upperBound && $0.last >= range.lowerBound }
            .map { max($0.first, range.lowerBound)...min($0.last, range.upperBound) }
    }

    /// Adds a gap above all others.
    mutating func open(_ range: ClosedRange<Int64>) {
        precondition((all.last?.last ?? 0) < range.lowerBound)
        all.append(Gap(first: range.lowerBound, last: range.upperBound))
    }

    /// Removes a range that is stored now. The rest of a gap keeps its acceptance.
    mutating func fill(_ range: ClosedRange<Int64>) {
        guard let start = all.firstIndex(where: { $0.last >= range.lowerBound }) else { return }
        var end = start
        var rest: [Gap] = []
        while end < all.count, all[end].first <= range.upperBound {
            let gap = all[end]
            if gap.first < range.lowerBound {
                rest.append(Gap(first: gap.first, last: range.lowerBound - 1, acceptedAt: gap.acceptedAt))
            }
            if gap.last > range.upperBound {
                rest.append(Gap(first: range.upperBound + 1, last: gap.last, acceptedAt: gap.acceptedAt))
            }
            end += 1
        }
        all.replaceSubrange(start..<end, with: rest)
    }

    /// Returns the rows to delete, by their first seq, and the rows to insert, to turn `old` into this value.
    func changes(from old: SeqGaps) -> (deleted: [Int64], inserted: [Gap]) {
        let (before, after) = (Set(old.all), Set(all))
        return (old.all.filter { !after.contains($0) }.map(\.first), all.filter { !before.contains($0) })
    }
}
