package import AMQP
import LinuxSystem
import Postgres
package import Runtime

/// Replaces queues that were declared without a delivery limit, one time for each broker.
///
/// The arguments of a queue cannot change, so an empty queue is deleted and declared again. Nothing can be lost: first
/// the bindings are removed, so that no message arrives. Then it is checked that no center runs and that the queue is
/// empty. Until the end publishers keep their scans and retry. Each interruption leaves queues and bindings that the next
/// start of a center, or the next upgrade, completes.
package struct TopologyUpgrade: Sendable {
    /// Interval of the checks while an upgrade waits, in milliseconds.
    private static let checkMs = 200

    private let brokers: [AMQPAddress]
    private let databaseURL: String

    /// - Parameters:
    ///   - brokers: broker nodes. The first one that responds is used. Not empty.
    ///   - databaseURL: connection string or URL, in libpq's format.
    package init(brokers: [AMQPAddress], databaseURL: String) {
        precondition(!brokers.isEmpty, "no broker")
        self.brokers = brokers
        self.databaseURL = databaseURL
    }

    /// Replaces the queues. The thread needs a stack of `AMQPConnection.stackBytes`.
    ///
    /// - Parameters:
    ///   - waitMs: how long to wait for the end of the centers and for empty queues, in milliseconds; 0 checks once.
    ///   - stop: ends the wait.
    /// - Returns: names of the replaced queues; empty if there is nothing to do.
    /// - Throws: `IngestError.topologyInUse` if a queue is in use; `AMQPError`; `PostgresError`.
    package func run(waitMs: Int, _ stop: StopSignal) throws -> [String] {
        let database = try PostgresConnection(url: databaseURL, applicationName: "tapline-center topology")
        return try database.transaction {
            // Until the end of the transaction no center starts: each reads the number of shards first.
            try database.execute("LOCK TABLE tapline_internal.topology IN EXCLUSIVE MODE")
            let connection = try connect()
            defer { connection.close() }
            let layout = Layout(
                shards: try Topology.shards(database, wanted: nil), centers: try numberOfCenters(connection))
            let outdated = try layout.declare(connection)
            guard !outdated.isEmpty else { return [] }
            let replaced: [String]
            do {
                let usable = try waitUntilUnused(outdated, connection, database, waitMs, stop)
                for queue in usable { try connection.deleteQueue(queue) }
                replaced = usable
            } catch {
                // Restores the bindings. Without a connection the next start of a center does.
                _ = try? layout.declare(connection)
                throw error
            }
            let left = try layout.declare(connection)
            guard left.isEmpty else { throw IngestError.topologyInUse(try reasons(left, connection)) }
            return replaced
        }
    }

    /// The size of the topology.
    private struct Layout {
        let shards: Int
        let centers: Int

        func declare(_ connection: AMQPConnection) throws(AMQPError) -> [String] {
            try Topology.declare(connection, shards: shards, centers: centers)
        }
    }

    /// Connects to the first broker that responds. A stop does not interrupt the connection: the bindings must be
    /// restored.
    private func connect() throws(AMQPError) -> AMQPConnection {
        var failure: AMQPError?
        for address in brokers {
            do { return try AMQPConnection(address, name: "tapline-center topology") } catch {
                failure = failure ?? error
            }
        }
        throw failure!
    }

    /// Returns the number of presence queues; 1 if there are none.
    private func numberOfCenters(_ connection: AMQPConnection) throws(AMQPError) -> Int {
        for center in 1...CenterInstance.countLimit {
            do { _ = try connection.inspectQueue(Topology.presence(center)) } catch {
                guard error.kind == .channelClosed(code: 404) else { throw error }
                return max(1, center - 1)
            }
        }
        return CenterInstance.countLimit
    }

    /// Removes the bindings, and waits until no center runs and queues are empty.
    ///
    /// - Returns: the empty ones among `queues`, at least one.
    /// - Throws: `IngestError.topologyInUse`.
    private func waitUntilUnused(
        _ queues: [String], _ connection: AMQPConnection, _ database: PostgresConnection, _ waitMs: Int,
        _ stop: StopSignal
    ) throws -> [String] {
        let deadlineMs = SystemClock.monotonicMs() + Int64(waitMs)
        while true {
            // Repeated, because a center that loses its connection binds them again.
            try Topology.close(connection)
            let running = try database.query(
                """
                SELECT count(*) FROM tapline_internal.centers
                WHERE NOT stopped AND alive_at > clock_timestamp() - tapline_internal.center_gone_after()
                """, [], binary: true
            ).int(0, 0)
            let states = try queues.map { queue in (queue: queue, state: try connection.inspectQueue(queue)) }
            let unused = states.filter { $0.state.messages == 0 && $0.state.consumers == 0 }.map(\.queue)
            let isFree = running == 0 && states.allSatisfy { $0.state.consumers == 0 }
            let isOver = SystemClock.monotonicMs() >= deadlineMs || stop.isStopped
            // Dead letters stay until someone reads them, so their queue is not waited for.
            let isDone = Set(queues).subtracting(unused).isSubset(of: [Topology.dead])
            if isFree, !unused.isEmpty, isDone || isOver { return unused }
            guard !isOver else {
                let centers = isFree ? [] : ["a center is running or ended less than 15 s ago: stop every center"]
                throw IngestError.topologyInUse(centers + (try reasons(queues, connection)))
            }
            stop.wait(ms: TopologyUpgrade.checkMs)
        }
    }

    private func reasons(_ queues: [String], _ connection: AMQPConnection) throws(AMQPError) -> [String] {
        var texts: [String] = []
        for queue in queues {
            let messages = try connection.inspectQueue(queue).messages
            guard messages > 0 else { continue }
            let remedy =
                queue == Topology.dead
                ? "move or purge them" : "start a center, stop it when the queue is empty, and repeat the upgrade"
            texts.append("\(queue) holds \(messages) messages: \(remedy)")
        }
        return texts
    }
}
