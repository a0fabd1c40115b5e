import LinuxSystem
import Synchronization

/// The state of the broker and database connections of all workers, for `/readyz`. Any thread may read it; it never
/// blocks.
package final class IngestHealth: Sendable {
    private struct State {
        var broker: String? = "not connected yet"
        var database: String? = "not connected yet"
        var databaseUnavailableSinceMs: Int64? = SystemClock.monotonicMs()
    }
    /// Whether all workers are connected to a server, and since when it is so.
    package struct Connection: Equatable, Sendable {
        /// Whether all workers are connected.
        package var isConnected = false
        /// Since when, in microseconds since 1970-01-01 UTC.
        package var sinceMicros = SystemClock.nowMicroseconds()
    }

    private let states: Mutex<[State]>
    private let connections = Mutex((broker: Connection(), database: Connection()))

    init(workers: Int) { states = Mutex(Array(repeating: State(), count: workers)) }

    /// The current problems, each with the name of the server. Empty only while all workers are connected to both.
    package var problems: [(name: String, problem: String)] {
        states.withLock { states in
            [("broker", states.first(\.broker)), ("database", states.first(\.database))].compactMap { name, problem in
                problem.map { (name, $0) }
            }
        }
    }

    /// Whether all workers are connected to the broker.
    package var isBrokerConnected: Bool { states.withLock { $0.first(\.broker) == nil } }
    /// Whether all workers are connected to the database.
    package var isDatabaseConnected: Bool { states.withLock { $0.first(\.database) == nil } }

    /// The connections to the broker, and since when they are as they are.
    package var broker: Connection { connections.withLock { $0.broker } }
    /// The connections to the database, and since when they are as they are.
    package var database: Connection { connections.withLock { $0.database } }

    /// Returns the view of one worker, for its consumer and its writer.
    func worker(_ index: Int) -> Worker { Worker(health: self, index: index) }

    struct Worker: Sendable {
        fileprivate let health: IngestHealth
        fileprivate let index: Int

        /// Sets or clears (`nil`) the broker problem.
        ///
        /// - Returns: `true` if the summary over all workers has changed. An outage that another worker has reported
        ///   already is no change.
        @discardableResult
        func setBroker(_ problem: String?) -> Bool {
            health.change(\.broker) { $0[index].broker = problem }
        }

        /// Sets or clears (`nil`) the database problem.
        ///
        /// - Returns: `true` if the summary over all workers has changed.
        @discardableResult
        func setDatabase(_ problem: String?) -> Bool {
            health.change(\.database) { states in
                states[index].database = problem
                let since = states[index].databaseUnavailableSinceMs ?? SystemClock.monotonicMs()
                states[index].databaseUnavailableSinceMs = problem == nil ? nil : since
            }
        }

        /// Milliseconds since the database was last usable; 0 while it is.
        var databaseUnavailableMs: Int64 {
            health.states.withLock { states in
                states[index].databaseUnavailableSinceMs.map { SystemClock.monotonicMs() - $0 } ?? 0
            }
        }
    }

    private func change(_ server: KeyPath<State, String?>, _ body: (inout [State]) -> Void) -> Bool {
        states.withLock { states in
            let before = states.first(server)
            body(&states)
            let after = states.first(server)
            if (before == nil) != (after == nil) {
                let connection = Connection(isConnected: after == nil)
                connections.withLock { connections in
                    if server == \State.broker { connections.broker = connection }
                    if server == \State.database { connections.database = connection }
                }
            }
            return after != before
        }
    }
}

extension Array {
    /// The first problem of any worker.
    fileprivate func first(_ server: KeyPath<Element, String?>) -> String? {
        lazy.compactMap { $0[keyPath: server] }.first
    }
}
