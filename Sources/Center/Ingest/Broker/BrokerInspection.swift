package import AMQP
import BrokerAPI
package import Postgres

/// What a broker has of the topology, read without changing anything.
package struct BrokerInspection: Sendable {
    /// Product and version; `nil` if the broker does not tell them.
    package let product: String?
    /// Queues of contract.md section 3 that do not exist.
    package let missing: [String]
    /// Number of queues that were looked for.
    package let queues: Int
    /// Whether a shard queue was looked for.
    package let hasShards: Bool
    /// Messages in the shard queues that no center has taken yet.
    package let waiting: Int
    /// Messages in the dead-letter queue; `nil` if it does not exist.
    package let deadLetters: Int?
    /// Consumers of the shard queues together.
    package let consumers: Int
    /// What the effective policies do to scans; `nil` if the management API does not show them.
    package let policies: [BrokerWarning]?

    /// Connects and inspects. The thread needs a stack of `AMQPConnection.stackBytes`.
    ///
    /// - Parameters:
    ///   - address: the broker, with the user of the center.
    ///   - shards: number of shard queues; `nil`: those that exist are looked for.
    ///   - managementPort: port of the management API.
    /// - Throws: `AMQPError`.
    package init(_ address: AMQPAddress, shards: Int?, managementPort: Int) throws(AMQPError) {
        let connection = try AMQPConnection(address, name: "tapline-center doctor")
        defer { connection.close() }
        product = connection.product
        var missing: [String] = []
        var (waiting, consumers) = (0, 0)
        var deadLetters: Int?
        // `??` would widen the type of the error.
        let count = if let shards { shards } else { try BrokerInspection.shards(connection) }
        let names = (0..<count).map(Topology.queue)
        for name in names + [Topology.dead, Topology.canary] {
            do throws(AMQPError) {
                let found = try connection.inspectQueue(name)
                switch name {
                case Topology.dead: deadLetters = found.messages
                case Topology.canary: break
                default:
                    waiting += found.messages
                    consumers += found.consumers
                }
            } catch {
                guard error.kind == .channelClosed(code: 404) else { throw error }
                missing.append(name)
            }
        }
        self.missing = missing
        hasShards = !names.isEmpty
        (self.waiting, self.deadLetters, self.consumers, queues) = (waiting, deadLetters, consumers, names.count + 2)
        policies = BrokerInspection.policies(
            address, names.filter { !missing.contains($0) }, port: managementPort)
    }

    /// Counts the shard queues that exist.
    private static func shards(_ connection: AMQPConnection) throws(AMQPError) -> Int {
        for shard in 0..<IngestSettings.shardsRange.upperBound {
            do throws(AMQPError) { _ = try connection.inspectQueue(Topology.queue(shard)) } catch {
                guard error.kind == .channelClosed(code: 404) else { throw error }
                return shard
            }
        }
        return IngestSettings.shardsRange.upperBound
    }

    private static func policies(_ address: AMQPAddress, _ queues: [String], port: Int) -> [BrokerWarning]? {
        guard let management = ManagementAPI(address, port: port), !queues.isEmpty else { return nil }
        var warnings: [BrokerWarning] = []
        for queue in queues {
            guard let policy = try? management.policy(of: queue, virtualHost: address.virtualHost) else { return nil }
            warnings += policy.warnings(queue: queue)
        }
        return warnings
    }

    /// Returns the number of shard queues that the database knows; `nil` before the first start of a center.
    ///
    /// - Throws: `PostgresError`.
    package static func shards(_ connection: PostgresConnection) throws(PostgresError) -> Int? {
        let result = try connection.query("SELECT shards FROM tapline_internal.topology", [], binary: true)
        return result.rowCount == 0 ? nil : Int(result.int(0, 0))
    }
}
