import AMQP
import Runtime

/// The only place where batches are acknowledged or rejected: after the writer's commit, reported as a `Settlement`.
extension IngestConsumer {
    /// Acknowledges what the writer has settled since the last call.
    ///
    /// A settlement of an older channel is dropped: its tags are void, and the broker redelivers.
    ///
    /// - Throws: `AMQPError` if the connection is lost.
    func acknowledgeSettled(_ connection: AMQPConnection, _ generation: Int, _ window: inout AckWindow) throws {
        for settlement in channel.settlements.drain() where settlement.generation == generation {
            for action in window.settle(accepted: settlement.accepted, rejected: settlement.rejected) {
                switch action {
                case .ack(let tag, let multiple): try connection.ack(tag, multiple: multiple)
                // Not requeued: the broker moves the message to the dead-letter queue.
                case .reject(let tag): try connection.reject(tag, requeue: false)
                }
            }
        }
    }
}
