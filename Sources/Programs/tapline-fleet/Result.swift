import FleetSimulation
import Synchronization

/// Carries the summary from the fleet's thread to the end of the program.
final class Result: Sendable {
    private let kept = Mutex<FleetSummary?>(nil)
    var summary: FleetSummary? { kept.withLock { $0 } }
    func set(_ summary: FleetSummary) { kept.withLock { $0 = summary } }
}
