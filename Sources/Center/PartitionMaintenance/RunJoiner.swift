import LinuxSystem
import Postgres
import Runtime
import ScanRuns

/// Joins neighbouring small runs of a journal to large ones, for scanners that send their scans one by one. Confined to
/// its connection's thread.
///
/// A transaction deletes some rows and copies the joined ones, so each snapshot of the database holds each scan once.
/// Neither readers nor the ingestion wait for it: it locks no row that they change.
struct RunJoiner {
    /// Maximum number of scans in a joined run: `at_ms`, `tags` and `received_us` then fill one, two and two chunks of
    /// TOAST, which leaves no space unused.
    static let scansLimit: Int64 = 494
    /// A run of at least this many scans is not joined to another. As in migrations/0004_scan_runs.sql.
    static let smallLimit: Int64 = 256
    /// Maximum number of small runs that one step reads from the index.
    static let windowRuns = 20_000
    /// Maximum number of scans that one transaction joins, so that it locks few rows for a short time.
    static let chunkScans: Int64 = 8_192
    /// Maximum number of scans that one step joins.
    static let stepScans: Int64 = 65_536
    /// A journal counts as silent after this time without a batch or heartbeat, in hours.
    static let silentHours: Int32 = 1
    /// Pause after the last journal, in milliseconds.
    static let idleMs = 10_000
    /// Pause between two windows without work, in milliseconds.
    static let nextWindowMs = 1_000
    /// Pause after work, as a multiple of the time that it took: a quarter of one core at most.
    static let pauseFactor = 3

    /// The place in the index where the next step begins, and the small runs before it.
    struct Place: Sendable {
        var journal: Int64 = 0
        /// The seq before the first one to read.
        var seq: Int64 = 0
        /// Small runs that the pass has read.
        var smallRuns = 0
    }

    /// A small run, as the index of small runs holds it.
    struct Small: Sendable, Equatable {
        let range: ScanRunTable.Range
        var gate: Int64?
        var snapshot: Int64 = 0
    }

    /// Consecutive small runs of one journal, gate and snapshot, at most `scansLimit` scans.
    struct Group: Sendable, Equatable {
        let journal: Int64
        let first: Int64
        var last: Int64
        var runs: Int
        var gate: Int64?
        var snapshot: Int64 = 0
        /// Whether another run follows that does not belong to the group. So the group cannot grow.
        var isFull = false

        var scans: Int64 { last - first + 1 }
        var range: ScanRunTable.Range { .init(journal: journal, first: first, last: last) }
    }

    private let connection: PostgresConnection
    private let metrics: MaintenanceMetrics
    private let buffer = CopyBuffer()

    /// - Parameters:
    ///   - connection: used by these calls only.
    ///   - metrics: receives the results.
    init(_ connection: PostgresConnection, _ metrics: MaintenanceMetrics) {
        self.connection = connection
        self.metrics = metrics
    }

    /// Joins what is due within one window of the open partitions.
    ///
    /// - Parameters:
    ///   - place: where to begin; receives the place of the next step.
    ///   - stop: ends the step after the current transaction.
    /// - Returns: the pause until the next call, in milliseconds.
    /// - Throws: `PostgresError`. The next call repeats the work.
    func step(_ place: inout Place, _ stop: StopSignal) throws -> Int {
        let start = SystemClock.monotonicMs()
        try planByIndex()
        let open = try connection.query(
            """
            SELECT min(first_journal) FROM tapline_internal.scan_partitions
            WHERE closed_at IS NULL AND retired_at IS NULL
            """)
        if let first = open.optionalInt(0, 0), first > place.journal { place = Place(journal: first) }
        let window = try read(place, end: .max)
        let due = try due(window.groups)
        let chosen = RunJoiner.first(due, scans: RunJoiner.stepScans)
        let joined = try join(chosen, stop)
        if stop.isStopped { return 0 }
        let next = chosen.count < due.count ? due[chosen.count] : window.next
        let passed = window.groups.prefix { $0 != next }.reduce(0) { $0 + $1.runs }
        place.smallRuns += passed - joined
        guard let next else {
            metrics.smallRuns.set(place.smallRuns)
            place = Place()
            return RunJoiner.idleMs
        }
        (place.journal, place.seq) = (next.journal, next.first - 1)
        if due.isEmpty { return RunJoiner.nextWindowMs }
        return Int(SystemClock.monotonicMs() - start) * RunJoiner.pauseFactor
    }

    /// Joins all small runs of finished journals.
    ///
    /// - Parameters:
    ///   - journals: their row IDs.
    ///   - stop: ends the work after the current transaction.
    /// - Throws: `PostgresError`.
    func joinAll(_ journals: Range<Int64>, _ stop: StopSignal) throws {
        try planByIndex()
        var place: Place? = Place(journal: journals.lowerBound)
        while let from = place, !stop.isStopped {
            let window = try read(from, end: journals.upperBound)
            try join(window.groups.filter { $0.runs > 1 }, stop)
            place = window.next.map { Place(journal: $0.journal, seq: $0.first - 1) }
        }
        try connection.execute(RunJoiner.planners.map { "RESET \($0)" }.joined(separator: ";"))
    }

    /// Settings that are off while runs are joined: the planner knows little of a partition that grows.
    private static let planners = [
        "enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit",
    ]

    private func planByIndex() throws(PostgresError) {
        try connection.execute(RunJoiner.planners.map { "SET \($0) = off" }.joined(separator: ";"))
    }

    // MARK: Groups

    /// Small runs from the index, and where the next window begins: `next` is `nil` at the end.
    private struct Window {
        var groups: [Group]
        var next: Group?
    }

    private func read(_ place: Place, end: Int64) throws(PostgresError) -> Window {
        let rows = try connection.query(
            """
            SELECT journal_id, first_seq, last_seq, gate_id, snapshot_version FROM tapline_internal.scan_runs
            WHERE last_seq - first_seq < \(RunJoiner.smallLimit - 1) AND journal_id >= $1 AND journal_id < $3
                AND (journal_id, first_seq) > ($1, $2)
            ORDER BY journal_id, first_seq LIMIT \(RunJoiner.windowRuns)
            """, [.int64(place.journal), .int64(place.seq), .int64(end)], binary: true)
        var groups = RunJoiner.groups(
            (0..<rows.rowCount).lazy.map { row in
                Small(
                    range: .init(journal: rows.int(row, 0), first: rows.int(row, 1), last: rows.int(row, 2)),
                    gate: rows.optionalInt(row, 3), snapshot: rows.int(row, 4))
            })
        guard rows.rowCount == RunJoiner.windowRuns else { return Window(groups: groups, next: nil) }
        // The last group may continue in the next window. It is shorter than a window, so the next one begins later.
        let next = groups.popLast()
        return Window(groups: groups, next: next)
    }

    /// Returns consecutive runs of a journal in groups.
    ///
    /// - Parameter runs: small runs in the order of journal and seq.
    static func groups(_ runs: some Sequence<Small>) -> [Group] {
        var groups: [Group] = []
        for small in runs {
            let run = small.range
            if let last = groups.last, last.journal == run.journal, last.last + 1 == run.first {
                if run.last - last.first < scansLimit, last.gate == small.gate, last.snapshot == small.snapshot {
                    groups[groups.count - 1].last = run.last
                    groups[groups.count - 1].runs += 1
                    continue
                }
                groups[groups.count - 1].isFull = true
            }
            groups.append(
                Group(
                    journal: run.journal, first: run.first, last: run.last, runs: 1, gate: small.gate,
                    snapshot: small.snapshot))
        }
        return groups
    }

    /// Returns the groups that are full, or whose journal is finished or silent. Others may still grow.
    private func due(_ groups: [Group]) throws(PostgresError) -> [Group] {
        let several = groups.filter { $0.runs > 1 }
        let growing = several.filter { !$0.isFull }
        if growing.isEmpty { return several }
        let rows = try connection.query(
            """
            SELECT j.id FROM tapline.journals j
            WHERE j.id = ANY ($1) AND (j.last_received_at < now() - $2 * interval '1 hour'
                OR EXISTS (SELECT FROM tapline.journals n WHERE n.scanner_id = j.scanner_id AND n.id > j.id))
            """, [.int64s(growing.map(\.journal)), .int32(RunJoiner.silentHours)])
        let finished = Set((0..<rows.rowCount).map { rows.int($0, 0) })
        return several.filter { $0.isFull || finished.contains($0.journal) }
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

    // MARK: Joining

    /// - Returns: the number of runs that became part of another one.
    @discardableResult private func join(_ groups: [Group], _ stop: StopSignal) throws -> Int {
        var (rest, joined) = (groups, 0)
        while !rest.isEmpty, !stop.isStopped {
            let chunk = RunJoiner.first(rest, scans: RunJoiner.chunkScans)
            rest.removeFirst(chunk.count)
            joined += try joinChunk(chunk)
        }
        metrics.joined.add(joined)
        return joined
    }

    /// Another session has changed one of the runs since they were read.
    private struct RunsChanged: Error {}

    /// Joins groups in one transaction. If another session has changed one of their runs, all are left as they are.
    ///
    /// - Returns: as `join`.
    private func joinChunk(_ groups: [Group]) throws -> Int {
        let table = ScanRunTable(connection)
        do {
            return try connection.transaction { () throws -> Int in
                // Another joiner waits for these rows. Retention waits for the table.
                let locked = try connection.query(
                    """
                    SELECT FROM unnest($1, $2, $3) AS w(journal, first, last)
                    JOIN tapline_internal.scan_runs r ON r.journal_id = w.journal
                        AND r.first_seq BETWEEN w.first AND w.last AND r.last_seq <= w.last
                    WHERE r.journal_id BETWEEN $4 AND $5 FOR UPDATE OF r
                    """, parameters(groups))
                if locked.rowCount != groups.reduce(0, { $0 + $1.runs }) { throw RunsChanged() }
                let pieces = RunJoiner.pieces(try table.runs(overlapping: groups.map(\.range)), of: groups)
                let parts = pieces.reduce(0) { $0 + $1.count }
                if parts == 0 { return 0 }
                let ranges = pieces.map {
                    Group(journal: $0[0].journal, first: $0[0].first, last: $0[$0.count - 1].last, runs: $0.count)
                }
                let deleted = try connection.query(
                    """
                    DELETE FROM tapline_internal.scan_runs r USING unnest($1, $2, $3) AS w(journal, first, last)
                    WHERE r.journal_id = w.journal AND r.first_seq BETWEEN w.first AND w.last AND r.last_seq <= w.last
                        AND r.journal_id BETWEEN $4 AND $5
                    """, parameters(ranges))
                if deleted.affectedRows != parts { throw RunsChanged() }
                try table.copy(rows: pieces.lazy.map { ScanRun.joined($0) }, buffer)
                return parts
            }
        } catch is RunsChanged { return 0 }
    }

    /// Returns the parameters of a statement over the ranges of groups: the columns, the first and the last journal.
    private func parameters(_ groups: [Group]) -> [PostgresParameter] {
        [
            .int64s(groups.map(\.journal)), .int64s(groups.map(\.first)), .int64s(groups.map(\.last)),
            .int64(groups.map(\.journal).min() ?? 0), .int64(groups.map(\.journal).max() ?? 0),
        ]
    }

    /// Returns the runs that become one, at least two each: runs of one group with the same gate and snapshot.
    ///
    /// - Parameters:
    ///   - runs: all runs of the groups, in the order of journal and seq.
    ///   - groups: in the same order.
    static func pieces(_ runs: [ScanRun], of groups: [Group]) -> [[ScanRun]] {
        var pieces: [[ScanRun]] = []
        var rest = runs[...]
        for group in groups {
            var piece: [ScanRun] = []
            while let run = rest.first, run.journal == group.journal, run.last <= group.last {
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
