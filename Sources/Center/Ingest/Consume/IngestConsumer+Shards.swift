import AMQP
import LinuxSystem
import Runtime

/// Which queues are consumed: the shell around `ShardAssignment`.
extension IngestConsumer {
    /// Carries out what is due. Each step is one call that waits for the broker's answer; deliveries that come meanwhile are
    /// kept by the library for the next poll.
    func tend(_ connection: AMQPConnection, _ rota: inout ShardAssignment, unsettled: Int) throws {
        while let step = rota.next(nowMs: SystemClock.monotonicMs()) {
            switch step {
            case .subscribe(let shard, let tag):
                try connection.consume(Topology.queue(shard), consumerTag: tag)
            case .lookAtOwner(let owner):
                let queue = Topology.presence(owner)
                guard try connection.declareQueue(queue, passive: true).consumers > 0 else { continue }
                let ended = rota.handBack(to: owner, nowMs: SystemClock.monotonicMs())
                for (_, tag) in ended { try connection.cancel(consumerTag: tag) }
                log.info(
                    "handed back to the center that is there again",
                    [
                        .name: "\(owner)/\(rota.place.count)",
                        .shards: ended.map { "\($0.shard)" }.joined(separator: ","),
                    ])
            case .lookAtQueue(let shard):
                let (ready, consumers) = try connection.declareQueue(Topology.queue(shard), passive: true)
                guard rota.looked(at: shard, ready: ready, consumers: consumers, unsettled: unsettled) else { continue }
                throw ConsumerLost(
                    description: "\(Topology.queue(shard)) has fallen silent although \(ready) messages wait in it")
            }
        }
    }

    /// Takes up the work: its own shards first, so that whoever sees it present finds it waiting there.
    func begin(_ connection: AMQPConnection, _ shards: Int, name: String, lane: Int) throws -> ShardAssignment {
        var rota = ShardAssignment(
            shards: shards, place: settings.place, lane: lane, lanes: settings.writers, name: name,
            queueLookMs: settings.queueLookMs,
            nowMs: SystemClock.monotonicMs())
        try tend(connection, &rota, unsettled: 0)
        if settings.place.count > 1 {
            try connection.consume(Topology.presence(settings.place.number), consumerTag: "\(name)-presence")
        }
        return rota
    }
}
