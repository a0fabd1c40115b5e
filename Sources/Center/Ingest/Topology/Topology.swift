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
    /// Redeliveries after which the broker removes a message from its queue: never reached.
    ///
    /// Without the argument RabbitMQ 4 removes a message after 20 redeliveries, as after 20 crashes of a center. The
    /// value -1 means no limit there, but removes a message at its first redelivery by RabbitMQ 3.10.
    static let deliveryLimit: Int64 = 2_000_000_000

    private static let entryKey = "scan.#"

    /// A queue and the arguments that never change: RabbitMQ closes the channel (406) if an existing queue is declared
    /// with other arguments.
    struct Queue: Sendable {
        let name: String
        /// The arguments without the delivery limit, which did not exist before.
        let formerArguments: [String: AMQPValue]

        /// The arguments of contract.md section 3.
        var arguments: [String: AMQPValue] {
            formerArguments.merging(["x-delivery-limit": .int(Topology.deliveryLimit)]) { old, _ in old }
        }

        init(_ name: String, _ arguments: [String: AMQPValue] = [:]) {
            self.name = name
            formerArguments = arguments.merging(["x-queue-type": "quorum"]) { old, _ in old }
        }

        /// Declares the queue.
        ///
        /// - Returns: `false` if the queue exists with the former arguments. It then stays as it is.
        /// - Throws: `AMQPError`: 406 if it exists with any others.
        func declare(_ connection: AMQPConnection) throws(AMQPError) -> Bool {
            let refusal: AMQPError
            do {
                try connection.declareQueue(name, arguments: arguments)
                return true
            } catch {
                guard error.kind == .channelClosed(code: 406) else { throw error }
                refusal = error
            }
            try connection.openChannel()
            do {
                try connection.declareQueue(name, arguments: formerArguments)
                return false
            } catch { throw error.kind == .channelClosed(code: 406) ? refusal : error }
        }
    }

    static func queue(_ shard: Int) -> String { "tapline.scans.\(shard)" }
    /// An empty queue that a running center consumes, so that the other centers can see that it is present.
    static func presence(_ center: Int) -> String { "tapline.center.\(center)" }

    private static func shardQueue(_ shard: Int) -> Queue {
        Queue(
            queue(shard),
            [
                "x-single-active-consumer": true, "x-overflow": "reject-publish", "x-max-length-bytes": .int(8 << 30),
                "x-dead-letter-exchange": .text(dead), "x-dead-letter-strategy": "at-least-once",
            ])
    }

    /// Declares what is missing.
    ///
    /// The broker leaves existing bindings unchanged, so no routing key moves to another queue. The entry exchange is
    /// bound last, so nothing is routed to an incomplete topology.
    ///
    /// - Returns: names of the queues that exist without a delivery limit. They work, but RabbitMQ 4 removes scans from
    ///   them that were redelivered often.
    @discardableResult
    static func declare(_ connection: AMQPConnection, shards: Int, centers: Int = 1) throws(AMQPError) -> [String] {
        var outdated: [String] = []
        func declare(_ queue: Queue) throws(AMQPError) {
            if try !queue.declare(connection) { outdated.append(queue.name) }
        }
        try connection.declareExchange(dead, type: "fanout")
        try declare(Queue(dead))
        try connection.bindQueue(dead, exchange: dead, routingKey: "")
        if centers > 1 {
            for center in 1...centers { try declare(Queue(presence(center))) }
        }
        try connection.declareExchange(exchange, type: "topic")
        try connection.declareExchange(shardsExchange, type: "x-consistent-hash", internal: true)
        for shard in 0..<shards {
            try declare(shardQueue(shard))
            try connection.bindQueue(queue(shard), exchange: shardsExchange, routingKey: "1")
        }
        try connection.bindExchange(destination: shardsExchange, source: exchange, routingKey: entryKey)
        return outdated
    }

    /// Removes the bindings by which messages reach the queues of scans and dead letters. `declare` restores them.
    ///
    /// A publisher then gets its scans back, keeps them and retries. A dead letter stays in its queue.
    static func close(_ connection: AMQPConnection) throws(AMQPError) {
        try connection.unbindExchange(destination: shardsExchange, source: exchange, routingKey: entryKey)
        try connection.unbindQueue(dead, exchange: dead, routingKey: "")
    }

    /// Declares the queue of the canary. It has no dead-letter exchange: a lost canary must not look like a lost scan.
    ///
    /// - Returns: `false` if the queue exists without a delivery limit.
    static func declareCanary(_ connection: AMQPConnection) throws(AMQPError) -> Bool {
        try connection.declareExchange(canary, type: "fanout")
        guard try Queue(canary, ["x-overflow": "reject-publish"]).declare(connection) else { return false }
        try connection.bindQueue(canary, exchange: canary, routingKey: "")
        return true
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
