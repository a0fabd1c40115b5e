import LinuxSystem
package import Runtime
import Synchronization

/// Whether the center can publish snapshots, for `/readyz`, metrics and `status`. Any thread may read it.
package final class SnapshotHealth: Sendable {
    private struct State {
        var failure: String?
        var rejection: String?
    }
    private let state = Mutex(State())
    /// Times of the last success and of the last failure or rejection, in seconds since 1970; 0: none yet.
    private let succeededS = Gauge()
    private let failedS = Gauge()

    /// - Parameter metrics: where the metrics are registered.
    package init(_ metrics: Metrics) {
        metrics.computed(
            "tapline_snapshot_export_failing",
            "1 while a changed registration list cannot be published, for example because the disk is full."
        ) { [weak self] in self?.problem == nil ? 0 : 1 }
        for (name, help, time) in [
            ("success", "Time at which this center last found or made the published snapshot up to date.", succeededS),
            ("failure", "Time at which this center last could not publish the registration list.", failedS),
        ] {
            metrics.table("tapline_snapshot_export_last_\(name)_timestamp_seconds", help, type: .gauge) {
                time.value == 0 ? [] : [(labels: [], value: Double(time.value))]
            }
        }
    }

    /// Why the last export failed, for example a full disk; `nil` if it did not.
    package var failure: String? { state.withLock { $0.failure } }

    /// Why the present registration list is not published: a failure, or a list that shrinks too much. `nil` if it is.
    package var problem: String? { state.withLock { $0.failure ?? $0.rejection } }

    func failed(_ text: String) {
        state.withLock { $0.failure = text }
        failedS.set(SnapshotHealth.nowS())
    }

    func rejected(_ text: String?) {
        state.withLock { $0 = State(rejection: text) }
        if text != nil { failedS.set(SnapshotHealth.nowS()) }
    }

    func succeeded() {
        state.withLock { $0 = State() }
        succeededS.set(SnapshotHealth.nowS())
    }

    private static func nowS() -> Int { Int(SystemClock.nowMicroseconds() / 1_000_000) }
}
