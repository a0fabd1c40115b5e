import Runtime
import Synchronization

/// Whether broker and database are connected, for `/readyz`: read from any thread, never waits.
public final class IngestHealth: Sendable {
    private struct State {
        var broker: String? = "not connected yet"
        var database: String? = "not connected yet"
        var databaseAwaySinceMs: Int64? = SystemClock.monotonicMs()
    }
    private let state = Mutex(State())

    init() {}

    /// What is not as it should be; empty only while both are connected.
    public var problems: [(name: String, problem: String)] {
        state.withLock { state in
            [("broker", state.broker), ("database", state.database)].compactMap { name, problem in
                problem.map { (name, $0) }
            }
        }
    }

    public var isBrokerConnected: Bool { state.withLock { $0.broker == nil } }
    public var isDatabaseConnected: Bool { state.withLock { $0.database == nil } }

    /// Gives whether this is news.
    @discardableResult
    func setBroker(_ problem: String?) -> Bool {
        state.withLock { state in
            defer { state.broker = problem }
            return state.broker != problem
        }
    }

    /// Gives whether this is news.
    @discardableResult
    func setDatabase(_ problem: String?) -> Bool {
        state.withLock { state in
            defer { state.database = problem }
            let since = state.databaseAwaySinceMs ?? SystemClock.monotonicMs()
            state.databaseAwaySinceMs = problem == nil ? nil : since
            return state.database != problem
        }
    }

    /// Milliseconds since the database was last of use; 0 while it is.
    var databaseAwayMs: Int64 {
        state.withLock { $0.databaseAwaySinceMs.map { SystemClock.monotonicMs() - $0 } ?? 0 }
    }
}
