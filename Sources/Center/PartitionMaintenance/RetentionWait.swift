/// Decides when a running center may drop partitions: an hour after it first saw that they are old enough.
///
/// A clock that is ahead for a shorter time drops nothing. Pure: clocks come in as arguments.
struct RetentionWait {
    /// Time from the first look to the drop, in milliseconds of the monotonic clock, which is never set.
    static let waitMs: Int64 = 3_600_000

    /// What a look permits.
    enum Answer: Equatable {
        /// Nothing is old enough, or it has not been so for long enough.
        case wait
        /// The clocks do not agree.
        case blocked(RetentionClocks.Disagreement)
        /// The names of the partitions that may be dropped.
        case drop([String])
    }

    /// Start of the wait of each partition, in milliseconds of the monotonic clock.
    private var sinceMs: [String: Int64] = [:]
    private var last: (clocks: RetentionClocks, atMs: Int64)?

    /// Judges the partitions that are old enough now.
    ///
    /// - Parameters:
    ///   - partitions: their names.
    ///   - clocks: read just now.
    ///   - keepDays: as for `RetentionClocks.disagreement`.
    ///   - nowMs: monotonic clock, in milliseconds.
    mutating func look(
        _ partitions: [String], _ clocks: RetentionClocks, keepDays: Int, nowMs: Int64
    ) -> Answer {
        defer { last = (clocks, nowMs) }
        if let disagreement = clocks.disagreement(keepDays: keepDays) {
            sinceMs = [:]
            return partitions.isEmpty ? .wait : .blocked(disagreement)
        }
        if let last, RetentionWait.wasSet(from: last.clocks, to: clocks, elapsedMs: nowMs - last.atMs) { sinceMs = [:] }
        sinceMs = Dictionary(uniqueKeysWithValues: Set(partitions).map { ($0, sinceMs[$0] ?? nowMs) })
        let due = partitions.filter { nowMs - sinceMs[$0, default: nowMs] >= RetentionWait.waitMs }
        return due.isEmpty ? .wait : .drop(due)
    }

    /// Returns whether a clock was set between two looks, or the machine was suspended: it did not advance by the time
    /// that the monotonic clock shows.
    private static func wasSet(from old: RetentionClocks, to new: RetentionClocks, elapsedMs: Int64) -> Bool {
        [(old.databaseMicros, new.databaseMicros), (old.centerMicros, new.centerMicros)].contains { old, new in
            let advanced = RetentionClocks.distance(new, old)
            let difference = RetentionClocks.distance(advanced, elapsedMs * 1_000)
            return difference.magnitude > RetentionClocks.differenceLimitS * 1_000_000
        }
    }
}
