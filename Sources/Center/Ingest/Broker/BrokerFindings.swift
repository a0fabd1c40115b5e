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
    /// Queues that were declared without a delivery limit.
    var outdated: [String] = []
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
        for queue in outdated {
            warnings.append(
                BrokerWarning(
                    queue: queue,
                    text: "was declared without x-delivery-limit, so RabbitMQ 4 removes scans after 20 redeliveries; "
                        + "stop the center and run `tapline-center topology upgrade` once"))
        }
        return warnings + policies
    }
}
