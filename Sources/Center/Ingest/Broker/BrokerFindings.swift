/// A sign that the broker removes confirmed scans, or can do so.
package struct BrokerWarning: Hashable, Sendable {
    /// Name of the queue.
    package let queue: String
    /// What was found, in one sentence.
    package let text: String
}

/// The result of one check of the broker. Pure.
struct BrokerFindings: Equatable, Sendable {
    var canary = CanaryState()
    /// Messages in the dead-letter queue.
    var deadLetters = 0
    /// Warnings about the policies of the queues.
    var policies: [BrokerWarning] = []

    /// All warnings, those about lost scans first.
    var warnings: [BrokerWarning] {
        var warnings: [BrokerWarning] = []
        if deadLetters > 0 {
            warnings.append(
                BrokerWarning(
                    queue: Topology.dead,
                    text: "holds \(deadLetters) messages: the broker removed them from a shard queue by a policy, or "
                        + "the center rejected them"))
        }
        if let lost = canary.lostAfterMicros {
            warnings.append(
                BrokerWarning(
                    queue: Topology.canary,
                    text: "the test message was removed within \(lost / 60_000_000 + 1) min: a policy with message-ttl "
                        + "or expires removes scans in the same way, or the broker was reset"))
        }
        return warnings + policies
    }
}
