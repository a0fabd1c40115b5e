import GateController
import ScanModel
import Snapshots
import Synchronization

@testable import Runtime

/// A service that runs while a test does.
final class Running: Sendable {
    private let stop = StopSignal()
    private let ended: Task<Void, any Error>

    init(_ service: Service) {
        // Immediate: a test that waits without suspending holds the pool, and the service would not begin.
        ended = Task.immediate { [stop] in try await service.run(stop) }
    }

    func end() async throws {
        stop.stop()
        try await ended.value
    }

    deinit { stop.stop() }
}

/// What was reported to the lane.
final class Reports: Sendable {
    private let list = Mutex<[LaneEvent]>([])
    var take: @Sendable (LaneEvent) -> Void { { input in self.list.withLock { $0.append(input) } } }

    /// The turnstile's problems, nil for "works".
    var turnstile: [String?] {
        list.withLock { $0.compactMap { if case .turnstile(let problem) = $0 { .some(problem) } else { nil } } }
    }
    var sensor: [String?] {
        list.withLock { $0.compactMap { if case .sensor(let problem) = $0 { .some(problem) } else { nil } } }
    }
    var passages: Int {
        list.withLock { $0.count { if case .passage = $0 { true } else { false } } }
    }
}

func signal(
    _ verdict: Verdict = .admitted, _ flags: Flags = [], zone: String? = "Arena", pass: Pass? = nil,
    detail: String? = nil, opens: Bool = false
) -> TapResult {
    TapResult(
        log: JournalID(high: 1, low: 2),
        scan: Scan(
            seq: 7, atMs: 1_800_000_000_000, tag: TagID(rawValue: 42), verdict: verdict, flags: flags, gate: 1,
            snapshot: 3), zone: zone, pass: pass, detail: detail, opens: opens)
}
