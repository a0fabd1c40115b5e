package import ErrorModel

/// A fault of the ingestion that is neither a broker nor a database error.
package enum IngestError: OperationError {
    /// The requested number of shards is below the existing one. No retry helps.
    case shardReduction(from: Int, to: Int)
    /// The broker is connected and no longer delivers. A new connection helps.
    case consumerLost(String)
    /// Queues cannot be replaced, for the given reasons. Nothing was changed in them.
    case topologyInUse([String])

    /// `configuration` for a setting that must change, `failure` for queues in use, and `unavailable` for a fault that a
    /// new connection corrects.
    package var category: ErrorCategory {
        switch self {
        case .shardReduction: .configuration
        case .consumerLost: .unavailable
        case .topologyInUse: .failure
        }
    }

    /// What was attempted and why it failed.
    package var description: String {
        switch self {
        case .shardReduction(let existing, let wanted):
            "cannot reduce shards from \(existing) to \(wanted): existing queues are never deleted"
        case .consumerLost(let reason): reason
        case .topologyInUse(let reasons): "the topology is not upgraded: " + reasons.joined(separator: "; ")
        }
    }
}
