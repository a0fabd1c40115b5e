import AMQP
import LinuxSystem
import Runtime

/// Subscribes to queues and unsubscribes: the I/O around `ShardAssignment`.
extension IngestConsumer {
    /// Subscribes to this worker's shards.
    ///
    /// The presence queue comes last: another center that sees this one present must find it subscribed to its own
    /// shards.
    func subscribe(_ connection: AMQPConnection, shards: Int, name: String) throws -> ShardAssignment {
        var assignment = ShardAssignment(
            shards: shards, instance: settings.instance, worker: channel.worker, workers: settings.workers, name: name,
            queueCheckMs: settings.queueCheckMs, nowMs: SystemClock.monotonicMs())
        try updateSubscriptions(connection, &assignment, unsettled: 0)
        if settings.instance.count > 1 {
            try connection.consume(Topology.presence(settings.instance.number), consumerTag: "\(name)-presence")
        }
        return assignment
    }

    /// Performs the due steps.
    ///
    /// Each step is one call that waits for the broker's reply. Deliveries that arrive during the call are events of the
    /// next poll. Subscriptions that are due together are one call, so that no delivery comes between them.
    ///
    /// - Throws: `IngestError.consumerLost` if a queue has stalled; `AMQPError`.
    func updateSubscriptions(
        _ connection: AMQPConnection, _ assignment: inout ShardAssignment, unsettled: Int
    ) throws {
        var subscriptions: [(queue: String, consumerTag: String)] = []
        while let step = assignment.next(nowMs: SystemClock.monotonicMs()) {
            if case .subscribe(let shard, let tag) = step {
                subscriptions.append((Topology.queue(shard), tag))
                continue
            }
            try connection.consume(subscriptions)
            subscriptions = []
            switch step {
            case .subscribe: break
            case .checkOwner(let owner):
                guard try connection.inspectQueue(Topology.presence(owner)).consumers > 0 else { continue }
                let released = assignment.release(to: owner, nowMs: SystemClock.monotonicMs())
                for (_, tag) in released { try connection.cancel(consumerTag: tag) }
                log.info(
                    "shard returned to its owner",
                    [
                        .name: "\(owner)/\(assignment.instance.count)",
                        .shards: released.map { "\($0.shard)" }.joined(separator: ","),
                    ])
            case .checkQueue(let shard):
                let (ready, consumers) = try connection.inspectQueue(Topology.queue(shard))
                let isStalled = assignment.recordQueueCheck(
                    shard: shard, ready: ready, consumers: consumers, unsettled: unsettled)
                if isStalled {
                    throw IngestError.consumerLost(
                        "\(Topology.queue(shard)) has stalled: \(ready) messages are ready and none is delivered")
                }
            }
        }
        try connection.consume(subscriptions)
    }
}
