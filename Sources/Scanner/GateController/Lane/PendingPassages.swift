import ScanModel

/// Admitted persons who have not yet passed the turnstile, the earliest first.
///
/// Empty without a passage sensor, and while the sensor does not work: then no passage can be observed.
final class PendingPassages {
    struct Passage {
        /// The row of the admission. Its tag is 0 for a manual admission without a wristband.
        var admission: JournaledScan
        /// Monotonic clock, in milliseconds: the admission is annulled if no passage was detected until then.
        var deadlineMs: Int64
    }

    /// Maximum number of pending passages; the turnstile lets one person through at a time.
    private static let limit = 64

    /// Time to pass after an admission, in milliseconds; `nil` without a passage sensor.
    private let passageMs: Int64?
    private let clock: LaneClock
    private var queue: [Passage] = []
    private(set) var sensorProblem: PassageSensorProblem?

    init(passageMs: Int64?, clock: LaneClock) {
        self.passageMs = passageMs
        self.clock = clock
    }

    /// The next deadline by the monotonic clock; `nil` if no passage is pending.
    var nextDeadlineMs: Int64? { queue.first?.deadlineMs }

    /// Whether the journal holds the admission of a pending passage.
    func contains(journal id: JournalID) -> Bool { queue.contains { $0.admission.journalID == id } }

    /// Starts to wait for the passage that belongs to an admission.
    func expect(_ admission: JournaledScan) {
        guard let passageMs, sensorProblem == nil else { return }
        if queue.count == PendingPassages.limit { queue.removeFirst() }
        queue.append(Passage(admission: admission, deadlineMs: clock.monotonicMs + passageMs))
    }

    /// Removes and returns the earliest pending passage.
    func removeFirst() -> Passage? { queue.isEmpty ? nil : queue.removeFirst() }

    /// Removes and returns the earliest pending passage if its deadline has been reached.
    func removeOverdue(atMs: Int64) -> Passage? {
        guard let first = queue.first, first.deadlineMs <= atMs else { return nil }
        return queue.removeFirst()
    }

    /// Removes and returns the pending passage of a tag.
    func remove(_ tag: TagID) -> Passage? {
        guard tag != .none, let index = queue.firstIndex(where: { $0.admission.scan.tag == tag }) else { return nil }
        return queue.remove(at: index)
    }

    /// Records the state of the sensor. A problem discards all pending passages.
    func setSensorProblem(_ problem: PassageSensorProblem?) {
        sensorProblem = problem
        if problem != nil { queue.removeAll() }
    }
}
