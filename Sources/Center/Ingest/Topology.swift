import AMQP
import CLI
import Postgres

/// Exchanges, queues and bindings of SPEC.md section 3.
enum Topology {
    static let exchange = "tapline.scans"
    static let shardsExchange = "tapline.shards"
    static let dead = "tapline.dead"
    static let defaultShards = 4
    package static let shardsRange = 1...1_024

    static func queue(_ shard: Int) -> String { "tapline.scans.\(shard)" }
    /// An empty queue that a center consumes while it is there, for the others to see.
    static func presence(_ center: Int) -> String { "tapline.center.\(center)" }

    /// For ever: a queue that exists is never declared with others.
    static let queueArguments: [String: AMQPValue] = [
        "x-queue-type": "quorum", "x-single-active-consumer": true, "x-overflow": "reject-publish",
        "x-max-length-bytes": .int(8 << 30), "x-dead-letter-exchange": .text(dead),
        "x-dead-letter-strategy": "at-least-once",
    ]

    /// Declares what is missing. A binding that is there is left alone by the broker, so no key moves to another queue;
    /// the way in is bound last, so nothing is routed to a half-made topology.
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

    /// The number of shards, kept in the database: set by the first start, raised by `wanted`, never lowered.
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
        if let wanted, wanted < shards {
            throw ProgramError.configuration(
                "--shards \(wanted): there are \(shards) already, and queues with scans in them are never given up")
        }
        return shards
    }
}
