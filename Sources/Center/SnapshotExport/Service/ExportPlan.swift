import Runtime

/// Decides when the center exports: soon after a change, immediately when a snapshot is due, with pauses that bound the
/// load.
///
/// A plain value. Times are in milliseconds of a monotonic clock.
struct ExportPlan {
    /// Delay from a change to the export. More changes usually follow.
    var debounceMs: Int64 = 5_000
    /// Pause after an export, as a multiple of its duration: under continuous changes exports use a quarter of a core.
    static let restFactor: Int64 = 3
    /// Bounds of that pause. Lower: scanners check twice a minute, so more versions are useless. Upper: a change must
    /// reach the gates of a large event within half a minute, too.
    var restMs: ClosedRange<Int64> = 10_000...15_000
    /// Interval of attempts, and of log lines, while a due snapshot is rejected.
    static let rejectedPauseMs: Int64 = 600_000
    /// First and longest pause after a failure: the database can be unavailable for hours.
    static let (backoffBaseMs, backoffCapMs) = (2_000, 60_000)

    /// Time of the first change that no export has read.
    private var changedMs: Int64?
    private var beganMs: Int64 = 0
    private var notBeforeMs: Int64 = .min
    private var dueNotBeforeMs: Int64 = .min
    private var backoff = Backoff(baseMs: ExportPlan.backoffBaseMs, capMs: ExportPlan.backoffCapMs)

    /// Whether a change is not exported yet.
    var isChanged: Bool { changedMs != nil }

    mutating func changed(nowMs: Int64) { changedMs = changedMs ?? nowMs }

    /// Returns the time until the next export, or `nil` if none is needed now.
    ///
    /// - Parameter isDue: whether a snapshot is due independent of changes.
    func delayMs(nowMs: Int64, isDue: Bool) -> Int64? {
        let changed = changedMs.map { max($0 + debounceMs, notBeforeMs) }
        let due = isDue ? max(nowMs, notBeforeMs, dueNotBeforeMs) : nil
        guard let start = [changed, due].compactMap({ $0 }).min() else { return nil }
        return max(0, start - nowMs)
    }

    /// Records the start of an export, which reads all changes so far.
    mutating func begin(nowMs: Int64) {
        changedMs = nil
        beganMs = nowMs
    }

    /// Records the successful end of an export.
    mutating func ended(nowMs: Int64) {
        backoff.reset()
        let rest = (nowMs - beganMs) * ExportPlan.restFactor
        notBeforeMs = nowMs + min(max(rest, restMs.lowerBound), restMs.upperBound)
    }

    /// Records that the list was not published. The next change is tried again; without a change, the pause is long.
    mutating func rejected(nowMs: Int64) {
        ended(nowMs: nowMs)
        dueNotBeforeMs = nowMs + ExportPlan.rejectedPauseMs
    }

    /// Records a failure. The changes count as not exported.
    ///
    /// - Returns: the pause before the next attempt.
    @discardableResult
    mutating func failed(nowMs: Int64) -> Int64 {
        changedMs = changedMs ?? nowMs
        let pauseMs = Int64(max(1_000, backoff.nextDelayMs()))
        notBeforeMs = nowMs + pauseMs
        return pauseMs
    }
}
