import LinuxSystem
import Postgres
import Runtime
import Synchronization

/// Erases the names of people who are not needed any more, while a center runs with `keepNamesDays`.
///
/// An erased name never returns. So the first erasure is an hour after the start. None is made while the clocks of
/// database and center differ.
final class NameErasure: Sendable {
    /// Time between two erasures, and before the first one, in milliseconds.
    static let intervalMs: Int64 = 3_600_000
    /// Pause between two calls of `step`, in milliseconds.
    static let pauseMs = 60_000
    /// People that one transaction erases. An import waits for it.
    static let batchPeople: Int64 = 10_000

    private let keepDays: Int
    private let lastMs: Mutex<Int64>
    private let log = Log("names")

    /// Creates the job.
    ///
    /// - Parameters:
    ///   - keepDays: names of people are kept for this time after they were needed, in days.
    ///   - nowMs: monotonic clock, in milliseconds.
    init(keepDays: Int, nowMs: Int64 = SystemClock.monotonicMs()) {
        self.keepDays = keepDays
        lastMs = Mutex(nowMs)
    }

    /// Erases the names that are due, if an hour has passed since the last time.
    ///
    /// - Parameters:
    ///   - connection: used during the call only.
    ///   - stop: ends the step after the current transaction.
    ///   - nowMs: monotonic clock, in milliseconds.
    ///   - centerMicros: returns the clock of the center, in microseconds since 1970-01-01 UTC.
    /// - Returns: the number of people whose names were erased.
    /// - Throws: `PostgresError`. The work is repeated by the next call.
    @discardableResult
    func step(
        _ connection: PostgresConnection, _ stop: StopSignal, nowMs: Int64 = SystemClock.monotonicMs(),
        centerMicros: () -> Int64 = SystemClock.nowMicroseconds
    ) throws -> Int64 {
        guard nowMs - lastMs.withLock(\.self) >= Self.intervalMs else { return 0 }
        let clocks = try RetentionClocks(connection, centerMicros: centerMicros)
        let apartS = clocks.apartS
        guard apartS <= RetentionClocks.differenceLimitS else {
            log.warning("no names erased: the clocks of database and center differ", [.detail: "\(apartS) s"])
            lastMs.withLock { $0 = nowMs }
            return 0
        }
        var erased: Int64 = 0
        while !stop.isStopped {
            let done = try connection.query(
                """
                SELECT tapline_internal.erase_attendees(ARRAY(
                    SELECT * FROM tapline_internal.names_before(now() - make_interval(days => $1)) LIMIT $2))
                """, [.int32(Int32(keepDays)), .int64(Self.batchPeople)]
            ).int(0, 0)
            erased += done
            if done < Self.batchPeople { break }
        }
        lastMs.withLock { $0 = nowMs }
        if erased > 0 { log.info("names of people erased", [.count: erased]) }
        return erased
    }
}
