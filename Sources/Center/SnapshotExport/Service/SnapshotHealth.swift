package import Runtime
import Synchronization

/// Whether the center can publish snapshots, for `/readyz`, metrics and `status`. Any thread may read it.
package final class SnapshotHealth: Sendable {
    private struct State {
        var failure: String?
        var rejection: String?
    }
    private let state = Mutex(State())

    /// - Parameter metrics: where the metric is registered.
    package init(_ metrics: Metrics) {
        metrics.computed(
            "tapline_snapshot_export_failing",
            "1 while a changed registration list cannot be published, for example because the disk is full."
        ) { [weak self] in self?.problem == nil ? 0 : 1 }
    }

    /// Why the last export failed, for example a full disk; `nil` if it did not.
    package var failure: String? { state.withLock { $0.failure } }

    /// Why the present registration list is not published: a failure, or a list that shrinks too much. `nil` if it is.
    package var problem: String? { state.withLock { $0.failure ?? $0.rejection } }

    func failed(_ text: String) { state.withLock { $0.failure = text } }

    func rejected(_ text: String?) { state.withLock { $0 = State(rejection: text) } }

    func succeeded() { state.withLock { $0 = State() } }
}
