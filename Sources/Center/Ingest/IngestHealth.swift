import LinuxSystem
import Synchronization

/// Whether broker and database are connected, for `/readyz`, on every lane of the ingest: read from any thread, never waits.
package final class IngestHealth: Sendable {
    private struct State {
        var broker: String? = "not connected yet"
        var database: String? = "not connected yet"
        var databaseAwaySinceMs: Int64? = SystemClock.monotonicMs()
    }
    private let states: Mutex<[State]>

    init(lanes: Int) { states = Mutex(Array(repeating: State(), count: lanes)) }

    /// What is not as it should be; empty only while all lanes are connected to both.
    package var problems: [(name: String, problem: String)] {
        states.withLock { states in
            [("broker", states.first(\.broker)), ("database", states.first(\.database))].compactMap { name, problem in
                problem.map { (name, $0) }
            }
        }
    }

    package var isBrokerConnected: Bool { states.withLock { $0.first(\.broker) == nil } }
    package var isDatabaseConnected: Bool { states.withLock { $0.first(\.database) == nil } }

    /// One lane's view: a consumer and its writer.
    func lane(_ index: Int) -> Lane { Lane(health: self, index: index) }

    struct Lane: Sendable {
        fileprivate let health: IngestHealth
        fileprivate let index: Int

        /// Gives whether this is news: an outage that the other lanes have told already is none.
        @discardableResult
        func setBroker(_ problem: String?) -> Bool {
            health.change(\.broker) { $0[index].broker = problem }
        }

        /// Gives whether this is news.
        @discardableResult
        func setDatabase(_ problem: String?) -> Bool {
            health.change(\.database) { states in
                states[index].database = problem
                let since = states[index].databaseAwaySinceMs ?? SystemClock.monotonicMs()
                states[index].databaseAwaySinceMs = problem == nil ? nil : since
            }
        }

        /// Milliseconds since the database was last of use; 0 while it is.
        var databaseAwayMs: Int64 {
            health.states.withLock { states in
                states[index].databaseAwaySinceMs.map { SystemClock.monotonicMs() - $0 } ?? 0
            }
        }
    }

    private func change(_ what: KeyPath<State, String?>, _ body: (inout [State]) -> Void) -> Bool {
        states.withLock { states in
            let before = states.first(what)
            body(&states)
            return states.first(what) != before
        }
    }
}

extension Array {
    /// The first problem of any lane.
    fileprivate func first(_ what: KeyPath<Element, String?>) -> String? { lazy.compactMap { $0[keyPath: what] }.first }
}
