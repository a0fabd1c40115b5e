import ScanRuns

// Which runs are joined. Pure: no I/O.
extension RunJoiner {
    /// A small run, as the index of small runs holds it.
    struct Small: Sendable, Equatable {
        let range: ScanRunTable.Range
        var gate: Int64?
        var snapshot: Int64 = 0
        /// Base of the device times, microseconds since 1970-01-01 UTC.
        var baseMicros: Int64 = 0
    }

    /// Consecutive small runs of one journal, gate, snapshot and device clock, at most `scansLimit` scans.
    struct Group: Sendable, Equatable {
        var range: ScanRunTable.Range
        /// Number of runs.
        var runs = 1
        let gate: Int64?
        let snapshot: Int64
        /// Base of the device times of the first run.
        let baseMicros: Int64
        /// Whether the next run would make the group too long.
        var isFull = false
        /// Whether the next run cannot be joined to these: it has another gate, another snapshot, or a time that is
        /// too distant.
        var isBounded = false

        init(_ first: Small) {
            range = first.range
            gate = first.gate
            snapshot = first.snapshot
            baseMicros = first.baseMicros
        }

        var journal: Int64 { range.journal }
        var scans: Int64 { range.last - range.first + 1 }
        /// Whether the group cannot grow.
        var isComplete: Bool { isFull || isBounded }

        /// Adds the next run of the journal, or notes why it does not belong to the group.
        ///
        /// - Returns: whether it was added.
        mutating func add(_ next: Small) -> Bool {
            isFull = next.range.last - range.first >= RunJoiner.scansLimit
            isBounded =
                next.gate != gate || next.snapshot != snapshot || ScanRun.areDistant(baseMicros, next.baseMicros)
            if isComplete { return false }
            range.last = next.range.last
            runs += 1
            return true
        }
    }

    /// Returns consecutive runs of a journal in groups.
    ///
    /// - Parameter runs: small runs in the order of journal and seq.
    static func groups(_ runs: [Small]) -> [Group] {
        var groups: [Group] = []
        for run in runs {
            if let last = groups.last?.range, last.journal == run.range.journal, last.last + 1 == run.range.first,
                groups[groups.count - 1].add(run)
            {
                continue
            }
            groups.append(Group(run))
        }
        return groups
    }

    /// Returns the first groups that have at most `scans` scans together, but at least one group.
    static func first(_ groups: [Group], scans: Int64) -> [Group] {
        var (count, sum) = (0, Int64(0))
        while count < groups.count, count == 0 || sum + groups[count].scans <= scans {
            sum += groups[count].scans
            count += 1
        }
        return Array(groups.prefix(count))
    }

    /// Returns the runs that become one, at least two each.
    ///
    /// - Parameters:
    ///   - runs: all runs of the groups, in the order of journal and seq.
    ///   - groups: in the same order.
    static func pieces(_ runs: [ScanRun], of groups: [Group]) -> [[ScanRun]] {
        var pieces: [[ScanRun]] = []
        var rest = runs[...]
        for group in groups {
            var piece: [ScanRun] = []
            while let run = rest.first, run.journal == group.journal, run.last <= group.range.last {
                rest.removeFirst()
                if let first = piece.first, let last = piece.last, first.canJoin(run, after: last.last) {
                    piece.append(run)
                } else {
                    pieces.append(piece)
                    piece = [run]
                }
            }
            pieces.append(piece)
        }
        return pieces.filter { $0.count > 1 }
    }
}
