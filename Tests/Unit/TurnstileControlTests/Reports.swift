import GateController
import ScanModel
import Synchronization

/// The events that were sent to the lane.
final class Reports: Sendable {
    private let list = Mutex<[LaneEvent]>([])
    var take: @Sendable (LaneEvent) -> Void { { event in self.list.withLock { $0.append(event) } } }

    /// The reported states of the turnstile; `nil` if it works.
    var turnstile: [TurnstileProblem?] {
        list.withLock { $0.compactMap { if case .turnstile(let problem) = $0 { .some(problem) } else { nil } } }
    }
    var sensor: [PassageSensorProblem?] {
        list.withLock { $0.compactMap { if case .sensor(let problem) = $0 { .some(problem) } else { nil } } }
    }
    var passages: Int {
        list.withLock { $0.count { if case .passage = $0 { true } else { false } } }
    }
}

/// A journaled tap.
func result(_ verdict: Verdict = .admitted, opens: Bool = false) -> TapResult {
    TapResult(
        journalID: JournalID(high: 1, low: 2),
        scan: Scan(
            seq: 7, atMs: 1_800_000_000_000, tag: TagID(rawValue: 42), verdict: verdict, flags: [], gate: 1,
            snapshot: 3),
        zone: "Arena", pass: nil, detail: nil, opens: opens)
}
