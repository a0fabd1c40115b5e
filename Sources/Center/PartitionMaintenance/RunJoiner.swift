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
        let window = try read(place, of: try openPartitions())
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
        (place.journal, place.seq) = (next.journal, next.range.first - 1)
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
            let window = try read(from, of: [journals])
            try join(window.groups.filter { $0.runs > 1 }, stop)
            place = window.next.map { Place(journal: $0.journal, seq: $0.range.first - 1) }
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

    // MARK: Reading

    /// Small runs from the index, and where the next window begins: `next` is `nil` at the end.
    private struct Window {
        var groups: [Group]
        var next: Group?
    }

    /// Returns the journals of each open partition. Closed ones keep the few small runs that cannot be joined.
    private func openPartitions() throws(PostgresError) -> [Range<Int64>] {
        let rows = try connection.query(
            """
            SELECT first_journal, end_journal FROM tapline_internal.scan_partitions
            WHERE closed_at IS NULL AND retired_at IS NULL ORDER BY first_journal
            """)
        return (0..<rows.rowCount).map { rows.int($0, 0)..<rows.int($0, 1) }
    }

    /// Reads one window.
    ///
    /// - Parameters:
    ///   - place: where to begin.
    ///   - partitions: the journals to read, in ascending order.
    private func read(_ place: Place, of partitions: [Range<Int64>]) throws(PostgresError) -> Window {
        var runs: [Small] = []
        for journals in partitions where journals.upperBound > place.journal && runs.count < RunJoiner.windowRuns {
            let rows = try connection.query(
                """
                SELECT journal_id, first_seq, last_seq, gate_id, snapshot_version, base FROM tapline_internal.scan_runs
                WHERE last_seq - first_seq < \(RunJoiner.smallLimit - 1) AND journal_id >= $1 AND journal_id < $2
                    AND (journal_id, first_seq) > ($3, $4)
                ORDER BY journal_id, first_seq LIMIT \(RunJoiner.windowRuns - runs.count)
                """,
                [
                    .int64(max(place.journal, journals.lowerBound)), .int64(journals.upperBound),
                    .int64(place.journal), .int64(place.seq),
                ], binary: true)
            runs += (0..<rows.rowCount).lazy.map { row in
                Small(
                    range: .init(journal: rows.int(row, 0), first: rows.int(row, 1), last: rows.int(row, 2)),
                    gate: rows.optionalInt(row, 3), snapshot: rows.int(row, 4), baseMicros: rows.microseconds(row, 5))
            }
        }
        var groups = RunJoiner.groups(runs)
        guard runs.count == RunJoiner.windowRuns else { return Window(groups: groups, next: nil) }
        // The last group may continue in the next window. It is shorter than a window, so the next one begins later.
        let next = groups.popLast()
        return Window(groups: groups, next: next)
    }

    /// Returns the groups that are complete, or whose journal is finished or silent. Others may still grow.
    private func due(_ groups: [Group]) throws(PostgresError) -> [Group] {
        let several = groups.filter { $0.runs > 1 }
        let growing = several.filter { !$0.isComplete }
        if growing.isEmpty { return several }
        let rows = try connection.query(
            """
            SELECT j.id FROM tapline.journals j
            WHERE j.id = ANY ($1) AND (j.last_received_at < now() - $2 * interval '1 hour'
                OR EXISTS (SELECT FROM tapline.journals n WHERE n.scanner_id = j.scanner_id AND n.id > j.id))
            """, [.int64s(growing.map(\.journal)), .int32(RunJoiner.silentHours)])
        let finished = Set((0..<rows.rowCount).map { rows.int($0, 0) })
        return several.filter { $0.isComplete || finished.contains($0.journal) }
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
    /// Locks the runs that are joined, and no others. Another joiner waits for these rows, retention for the table.
    ///
    /// - Returns: as `join`.
    private func joinChunk(_ groups: [Group]) throws -> Int {
        let table = ScanRunTable(connection)
        do {
            return try connection.transaction { () throws -> Int in
                let runs = try table.runs(overlapping: groups.map(\.range))
                if runs.count != groups.reduce(0, { $0 + $1.runs }) { throw RunsChanged() }
                let pieces = RunJoiner.pieces(runs, of: groups)
                if pieces.isEmpty { return 0 }
                let parts = pieces.reduce(0) { $0 + $1.count }
                let deleted = try connection.query(
                    """
                    DELETE FROM tapline_internal.scan_runs r USING unnest($1, $2, $3) AS w(journal, first, last)
                    WHERE r.journal_id = w.journal AND r.first_seq BETWEEN w.first AND w.last AND r.last_seq <= w.last
                        AND r.journal_id BETWEEN $4 AND $5
                    """,
                    [
                        .int64s(pieces.map { $0[0].journal }), .int64s(pieces.map { $0[0].first }),
                        .int64s(pieces.map { $0[$0.count - 1].last }),
                        .int64(pieces[0][0].journal), .int64(pieces[pieces.count - 1][0].journal),
                    ])
                if deleted.affectedRows != parts { throw RunsChanged() }
                try table.copy(rows: pieces.lazy.map { ScanRun.joined($0) }, buffer)
                return parts
            }
        } catch is RunsChanged { return 0 }
    }
}
