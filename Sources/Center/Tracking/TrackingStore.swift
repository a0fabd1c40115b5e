import LinuxSystem
package import Postgres
import Runtime
import ScanModel

/// Writes what is tracked: `tapline.presence`, `annulled` and `gate_flow`, each run of stored scans once.
///
/// A transaction takes the runs out of `tapline_internal.tracking_queue` and applies them, so one that somebody else has tracked is left
/// out, and one that was not committed is found again. All of it under one advisory lock: trackers of several centers take
/// turns, and what each reads is what the others have committed. Confined to its connection's thread.
///
/// What the database refuses for its data is found by tracking run by run, and left out: it waits in `tapline_internal.tracking_queue`, and
/// keeps no other run from being tracked.
package final class TrackingStore {
    /// Advisory lock, as in `tapline_internal.lock_presence()`: also of a change of the registry while it commits.
    static let lockKey: Int64 = 0x5450_4c4e_0001
    /// Runs that one transaction takes when it catches up, and the scans among them after which it takes no more.
    static let catchUpRuns = 2_000
    static let catchUpScans = 200_000
    /// How long a run that was refused is left alone: somebody may mend what it met.
    static let refusedMs: Int64 = 600_000
    /// Said, whatever the server's default: each statement must see what committed while the lock was waited for.
    private static let mode = "ISOLATION LEVEL READ COMMITTED READ WRITE"

    let connection: PostgresConnection
    private let log = Log("tracking")
    /// Runs that were refused for their data, and when they may be tried again (monotonic milliseconds).
    private var refused: [Run: Int64] = [:]

    /// - Parameter isTracker: the session tracks, and nothing else: what a crash takes back is tracked again, so nobody waits
    ///   for the disk.
    package init(_ connection: PostgresConnection, isTracker: Bool = false) throws(PostgresError) {
        self.connection = connection
        // Room for the sightings of a group, which else go through a file.
        if isTracker { try connection.execute("SET synchronous_commit = off; SET work_mem = '64MB'") }
    }

    /// Tracks runs as they were stored; what is not waiting in `tapline_internal.tracking_queue` any more is left out.
    package func track(_ runs: [StoredScans]) throws {
        guard !runs.isEmpty else { return }
        do { try trackAtOnce(runs) } catch let error as PostgresError where error.blamesData {
            try each(runs.map { Run($0.journal, $0.first) }, error) { try trackAtOnce([runs[$0]]) }
        }
    }

    private func trackAtOnce(_ runs: [StoredScans]) throws {
        try connection.transaction(TrackingStore.mode) {
            try lock()
            let waiting = try claim(runs)
            try apply(waiting.count == runs.count ? runs : runs.filter { waiting.contains(Run($0.journal, $0.first)) })
        }
    }

    /// Tracks what nobody has, of what was stored more than `olderThanMs` ago; at most `catchUpRuns` runs. False: nothing.
    @discardableResult
    package func catchUp(olderThanMs: Int64) throws -> Bool {
        refused = refused.filter { $0.value > SystemClock.monotonicMs() }
        guard try isAnythingWaiting(olderThanMs) else { return false }
        do {
            return try connection.transaction(TrackingStore.mode) {
                try lock()
                return try trackWaiting(olderThanMs)
            }
        } catch let error as PostgresError where error.blamesData {
            let runs = try waiting(olderThanMs)
            try each(runs, error) { index in
                try connection.transaction(TrackingStore.mode) {
                    try lock()
                    try apply(try loaded(try take(runs[index])))
                }
            }
            return true
        }
    }

    /// The same within a transaction that holds the lock.
    func trackWaiting(_ olderThanMs: Int64) throws(PostgresError) -> Bool {
        let runs = try loaded(try take(olderThanMs))
        try apply(runs)
        return !runs.isEmpty
    }

    /// Runs `body` for each by itself, after all of them together were refused; remembers and tells which cannot be tracked.
    private func each(_ runs: [Run], _ together: PostgresError, _ body: (Int) throws -> Void) throws {
        var found: [(run: Run, error: PostgresError)] = []
        for index in runs.indices {
            do { try body(index) } catch let error as PostgresError where error.blamesData {
                refused[runs[index]] = SystemClock.monotonicMs() + TrackingStore.refusedMs
                found.append((runs[index], error))
            }
        }
        guard let first = found.first else { return }
        log.error(
            "scans cannot be tracked: they wait in tapline_internal.tracking_queue",
            [.count: found.count, .journal: first.run.journal, .seq: first.run.first, .error: "\(first.error)"])
    }

    /// Runs that were refused for their data, and are not tracked.
    package var refusedRuns: Int { refused.count }

    /// Until nothing waits: for who has stored scans beside the center's own tracker and wants to see them.
    package func catchUp() throws {
        while try catchUp(olderThanMs: 0) {}
    }

    private func lock() throws(PostgresError) {
        try connection.query("SELECT pg_advisory_xact_lock($1)", [.int64(TrackingStore.lockKey)])
    }

    // MARK: Which runs

    private struct Run: Hashable {
        let journal: Int64
        let first: Int64
        init(_ journal: Int64, _ first: Int64) { (self.journal, self.first) = (journal, first) }
    }

    private func claim(_ runs: [StoredScans]) throws(PostgresError) -> Set<Run> {
        let result = try connection.query(
            """
            DELETE FROM tapline_internal.tracking_queue u USING unnest($1, $2) AS n(journal_id, first_seq)
            WHERE u.journal_id = n.journal_id AND u.first_seq = n.first_seq
            RETURNING u.journal_id, u.first_seq
            """, [.int64s(runs.map(\.journal)), .int64s(runs.map(\.first))], binary: true)
        return Set((0..<result.rowCount).map { Run(result.int($0, 0), result.int($0, 1)) })
    }

    /// Runs that wait for longer than $1 milliseconds and were not refused ($2, $3).
    private static let waiting = """
        FROM tapline_internal.tracking_queue WHERE stored_at <= clock_timestamp() - $1 * interval '1 millisecond'
            AND (journal_id, first_seq) NOT IN (SELECT * FROM unnest($2, $3))
        """

    private func waitingParameters(_ olderThanMs: Int64) -> [PostgresParameter] {
        let left = Array(refused.keys)
        return [.int64(olderThanMs), .int64s(left.map(\.journal)), .int64s(left.map(\.first))]
    }

    private func isAnythingWaiting(_ olderThanMs: Int64) throws(PostgresError) -> Bool {
        try connection.query(
            "SELECT \(TrackingStore.waiting) LIMIT 1", waitingParameters(olderThanMs)
        ).rowCount > 0
    }

    private func waiting(_ olderThanMs: Int64) throws(PostgresError) -> [Run] {
        let result = try connection.query(
            "SELECT journal_id, first_seq \(TrackingStore.waiting) ORDER BY stored_at LIMIT \(TrackingStore.catchUpRuns)",
            waitingParameters(olderThanMs), binary: true)
        return (0..<result.rowCount).map { Run(result.int($0, 0), result.int($0, 1)) }
    }

    private func take(_ run: Run) throws(PostgresError) -> PostgresResult {
        try connection.query(
            """
            DELETE FROM tapline_internal.tracking_queue WHERE journal_id = $1 AND first_seq = $2
            RETURNING journal_id, first_seq, last_seq
            """, [.int64(run.journal), .int64(run.first)], binary: true)
    }

    private func take(_ olderThanMs: Int64) throws(PostgresError) -> PostgresResult {
        try connection.query(
            """
            DELETE FROM tapline_internal.tracking_queue u USING (
                SELECT journal_id, first_seq, sum(last_seq - first_seq + 1) OVER (ORDER BY journal_id, first_seq) AS scans
                FROM (SELECT * \(TrackingStore.waiting) ORDER BY stored_at LIMIT \(TrackingStore.catchUpRuns)) w
            ) n
            WHERE u.journal_id = n.journal_id AND u.first_seq = n.first_seq
                AND n.scans - (u.last_seq - u.first_seq) <= \(TrackingStore.catchUpScans)
            RETURNING u.journal_id, u.first_seq, u.last_seq
            """, waitingParameters(olderThanMs), binary: true)
    }

    /// The scans of runs that were taken, read back; cut where gate or receipt change.
    private func loaded(_ taken: PostgresResult) throws(PostgresError) -> [StoredScans] {
        guard taken.rowCount > 0 else { return [] }
        let rows = 0..<taken.rowCount
        let result = try connection.query(
            """
            SELECT r.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags, s.gate_id, s.received_at, j.scanner_id, j.log
            FROM unnest($1, $2, $3) AS r(journal_id, first, last)
            JOIN tapline.journals j ON j.id = r.journal_id
            CROSS JOIN LATERAL (SELECT * FROM tapline.scans s
                WHERE s.journal_id = r.journal_id AND s.seq BETWEEN r.first AND r.last ORDER BY s.seq OFFSET 0) s
            """,
            [
                .int64s(rows.map { taken.int($0, 0) }), .int64s(rows.map { taken.int($0, 1) }),
                .int64s(rows.map { taken.int($0, 2) }),
            ], binary: true)
        var builder = StoredScans.Builder()
        for row in 0..<result.rowCount {
            let uuid = result.uuid(row, 9)
            builder.add(
                journal: result.int(row, 0), seq: result.int(row, 1), tag: result.int(row, 2),
                atMicros: result.microseconds(row, 3), verdict: UInt8(truncatingIfNeeded: result.int(row, 4)),
                flags: UInt8(truncatingIfNeeded: result.int(row, 5)), gate: result.optionalInt(row, 6),
                receivedMicros: result.microseconds(row, 7), scanner: result.text(row, 8),
                log: JournalID(high: uuid.high, low: uuid.low))
        }
        return builder.finish()
    }

    // MARK: What they mean

    private func apply(_ runs: [StoredScans]) throws(PostgresError) {
        guard !runs.isEmpty else { return }
        var flow = FlowFold(nowMicros: SystemClock.nowMicroseconds())
        for run in runs { flow.add(run) }
        let annulled = AnnulledStore(connection)
        let changes = try annulled.write(runs, again: try journalsToDoubt(runs))
        for change in changes {
            flow.annul(
                gate: change.gate, orderedMicros: change.orderedMicros, flags: change.flags,
                by: change.isAnnulled ? 1 : -1)
        }
        // Whoever tracked the annulment, before or now: what is annulled moves nobody.
        let known = try annulled.held(in: runs)
        var fold = PresenceFold()
        for run in runs { fold.add(run, except: known) }
        let presence = PresenceStore(connection)
        if let passages = fold.passages {
            try DoubleAdmissions.note(passages, doubting: changes.map(\.tag), connection)
        }
        try presence.move(
            fold.sorted, scanners: Dictionary(runs.map { ($0.journal, $0.scanner) }) { first, _ in first })
        // Who did not pass where they stand, and who passed after all: only these are looked up in all their scans.
        let anew =
            try presence.standing(on: changes.filter(\.isAnnulled)) + changes.filter { !$0.isAnnulled }.map(\.tag)
        if !anew.isEmpty { try presence.recompute(Set(anew).sorted()) }
        try FlowStore(connection).add(flow)
        try DoubleAdmissions.doubt(runs, connection)
    }

    /// Journals in which scans were filled in below others, and which hold annulments: theirs may mean other scans now.
    private func journalsToDoubt(_ runs: [StoredScans]) throws(PostgresError) -> Set<Int64> {
        let behind = Set(runs.lazy.filter(\.isBehind).map(\.journal))
        guard !behind.isEmpty else { return [] }
        let result = try connection.query(
            "SELECT id FROM tapline.journals WHERE id = ANY ($1) AND annulments > 0", [.int64s(behind.sorted())],
            binary: true)
        return Set((0..<result.rowCount).map { result.int($0, 0) })
    }
}

extension PresenceFold {
    fileprivate mutating func add(_ run: StoredScans, except annulled: [Int64: Set<Int64>]) {
        let annulled = annulled[run.journal] ?? []
        for offset in 0..<run.count {
            let tag = run.tags[run.tags.startIndex + offset]
            let seq = run.first + Int64(offset)
            guard tag != TagID.none.rawValue,
                run.verdicts[run.verdicts.startIndex + offset] == Verdict.admitted.rawValue,
                annulled.isEmpty || !annulled.contains(seq)
            else { continue }
            let flags = Flags(rawValue: run.flags[run.flags.startIndex + offset])
            admit(
                tag,
                Sighting(
                    orderedAt: run.orderedMicros(offset), log: run.log, seq: seq, journal: run.journal,
                    isOut: flags.contains(.out), isInspection: flags.contains(.inspection), gate: run.gate))
        }
    }
}
