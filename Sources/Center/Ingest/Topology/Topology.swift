import AMQP
import Postgres

/// Exchanges, queues and bindings of contract.md section 3.
enum Topology {
    static let exchange = "tapline.scans"
    static let shardsExchange = "tapline.shards"
    static let dead = "tapline.dead"
    /// A queue and its exchange that hold one message, the canary, for the broker watch.
    static let canary = "tapline.canary"
    /// The number of shards unless set at the first start.
    static let defaultShards = 4

    static func queue(_ shard: Int) -> String { "tapline.scans.\(shard)" }
    /// An empty queue that a running center consumes, so that the other centers can see that it is present.
    static func presence(_ center: Int) -> String { "tapline.center.\(center)" }

    /// Never changed: RabbitMQ closes the channel (406) if an existing queue is declared with other arguments.
    static let queueArguments: [String: AMQPValue] = [
        "x-queue-type": "quorum", "x-single-active-consumer": true, "x-overflow": "reject-publish",
        "x-max-length-bytes": .int(8 << 30), "x-dead-letter-exchange": .text(dead),
        "x-dead-letter-strategy": "at-least-once",
    ]

    /// Declares what is missing.
    ///
    /// The broker leaves existing bindings unchanged, so no routing key moves to another queue. The entry exchange is
    /// bound last, so nothing is routed to an incomplete topology.
    static func declare(_ connection: AMQPConnection, shards: Int, centers: Int = 1) throws(AMQPError) {
        try connection.declareExchange(dead, type: "fanout")
        try connection.declareQueue(dead, arguments: ["x-queue-type": "quorum"])
        try connection.bindQueue(dead, exchange: dead, routingKey: "")
        if centers > 1 {
            for center in 1...centers {
                try connection.declareQueue(presence(center), arguments: ["x-queue-type": "quorum"])
            }
        }
        try connection.declareExchange(exchange, type: "topic")
        try connection.declareExchange(shardsExchange, type: "x-consistent-hash", internal: true)
        for shard in 0..<shards {
            try connection.declareQueue(queue(shard), arguments: queueArguments)
            try connection.bindQueue(queue(shard), exchange: shardsExchange, routingKey: "1")
        }
        try connection.bindExchange(destination: shardsExchange, source: exchange, routingKey: "scan.#")
    }

    /// Declares the queue of the canary. It has no dead-letter exchange: a lost canary must not look like a lost scan.
    static func declareCanary(_ connection: AMQPConnection) throws(AMQPError) {
        try connection.declareExchange(canary, type: "fanout")
        try connection.declareQueue(canary, arguments: ["x-queue-type": "quorum", "x-overflow": "reject-publish"])
        try connection.bindQueue(canary, exchange: canary, routingKey: "")
    }

    /// Returns the number of shards, which is kept in the database.
    ///
    /// The first start sets it, `wanted` can raise it, and nothing lowers it.
    ///
    /// - Parameters:
    ///   - connection: the database.
    ///   - wanted: the setting; `nil` for the stored number, or `defaultShards` at the first start.
    /// - Throws: `IngestError.shardReduction` if `wanted` is below the stored number; `PostgresError`.
    static func shards(_ connection: PostgresConnection, wanted: Int?) throws -> Int {
        try connection.query(
            "INSERT INTO tapline_internal.topology (shards) VALUES ($1) ON CONFLICT DO NOTHING",
            [.int32(Int32(wanted ?? defaultShards))])
        if let wanted {
            try connection.query(
                "UPDATE tapline_internal.topology SET shards = $1 WHERE shards < $1", [.int32(Int32(wanted))])
        }
        let result = try connection.query("SELECT shards FROM tapline_internal.topology", [], binary: true)
        let shards = Int(result.int(0, 0))
        if let wanted, wanted < shards { throw IngestError.shardReduction(from: shards, to: wanted) }
        return shards
    }
}
