package import ErrorModel

/// Why a benchmark cannot run, or has no valid result.
package enum BenchmarkError: OperationError, Equatable {
    /// The numbers of a batch plan contradict each other.
    case invalidPlan(String)
    /// The number of scans is not a positive multiple of the scans of one batch of each scanner.
    case scansNotDivisible(by: Int)
    /// The broker rejected or returned a batch, or closed the channel.
    case batchRejected(String)
    /// The broker confirmed no batch within the time limit.
    case noConfirms(withinMs: Int64)
    /// The gate wrote no verdict within the time limit; `event` is what came instead.
    case noVerdict(event: String)
    /// The event of the benchmark admits every attendee, but some were rejected.
    case notAdmitted(admitted: Int, taps: Int)

    /// The class of the error, which decides on the exit code.
    package var category: ErrorCategory {
        switch self {
        case .invalidPlan, .scansNotDivisible: .configuration
        case .batchRejected, .noConfirms, .noVerdict, .notAdmitted: .failure
        }
    }

    /// The message for the user of the benchmark.
    package var description: String {
        switch self {
        case .invalidPlan(let detail): detail
        case .scansNotDivisible(let divisor):
            "the number of scans must be a multiple of scanners times scans per batch, \(divisor)"
        case .batchRejected(let event): "the broker rejected a batch: \(event)"
        case .noConfirms(let limitMs): "the broker confirmed no batch within \(limitMs) ms"
        case .noVerdict(let event): "the gate wrote no verdict: \(event)"
        case .notAdmitted(let admitted, let taps): "only \(admitted) of \(taps) taps were admitted"
        }
    }
}
