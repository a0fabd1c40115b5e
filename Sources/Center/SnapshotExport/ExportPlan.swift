import Runtime

/// When the center exports: soon after a change, at once when a snapshot is owed, and never so often that exports keep a core
/// busy. A plain value; times are milliseconds of a monotonic clock.
struct ExportPlan {
    /// From a change to the export: more changes usually follow.
    var debounceMs: Int64 = 5_000
    /// After an export nothing begins for so many times its length: changes without a pause cost a quarter of a core.
    static let restFactor: Int64 = 3
    /// ... but not for less than the first, for scanners ask twice a minute and gain nothing from more versions, and not for more
    /// than the second: the gates of a large event, too, hear of a change within half a minute.
    var restMs: ClosedRange<Int64> = 10_000...15_000
    /// What is refused though it is owed is tried again, and said in the log again, this often.
    static let refusedPauseMs: Int64 = 600_000
    /// The first wait after a failure, and the longest: the database may be away for hours.
    static let (backoffBaseMs, backoffCapMs) = (2_000, 60_000)

    /// The first change that no export has read.
    private var changedMs: Int64?
    private var beganMs: Int64 = 0
    private var notBeforeMs: Int64 = .min
    private var owedNotBeforeMs: Int64 = .min
    private var backoff = Backoff(baseMs: ExportPlan.backoffBaseMs, capMs: ExportPlan.backoffCapMs)

    /// Whether a change waits to be exported.
    var isChanged: Bool { changedMs != nil }

    mutating func changed(nowMs: Int64) { changedMs = changedMs ?? nowMs }

    /// How long until an export is to begin; nil: not as things are.
    ///
    /// - Parameter isOwed: whether one is due whatever has changed.
    func delayMs(nowMs: Int64, isOwed: Bool) -> Int64? {
        let changed = changedMs.map { max($0 + debounceMs, notBeforeMs) }
        let owed = isOwed ? max(nowMs, notBeforeMs, owedNotBeforeMs) : nil
        guard let start = [changed, owed].compactMap({ $0 }).min() else { return nil }
        return max(0, start - nowMs)
    }

    /// An export begins: it reads all changes up to now.
    mutating func begin(nowMs: Int64) {
        changedMs = nil
        beganMs = nowMs
    }

    mutating func ended(nowMs: Int64) {
        backoff.reset()
        let rest = (nowMs - beganMs) * ExportPlan.restFactor
        notBeforeMs = nowMs + min(max(rest, restMs.lowerBound), restMs.upperBound)
    }

    /// The list is not published as it is: the next change is tried again, and until then nothing but now and then.
    mutating func refused(nowMs: Int64) {
        ended(nowMs: nowMs)
        owedNotBeforeMs = nowMs + ExportPlan.refusedPauseMs
    }

    /// Nobody knows what was read; gives the pause before the next attempt.
    @discardableResult
    mutating func failed(nowMs: Int64) -> Int64 {
        changedMs = changedMs ?? nowMs
        let pauseMs = Int64(max(1_000, backoff.nextDelayMs()))
        notBeforeMs = nowMs + pauseMs
        return pauseMs
    }
}
