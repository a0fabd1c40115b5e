import Runtime
import Synchronization

/// Work on a thread of its own, beside that of its maker.
final class BackgroundTask<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let ended = StopSignal()

    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        NamedThread(name) { [self] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            ended.stop()
        }
    }

    /// Waits for its end.
    func finish() { ended.wait(ms: -1) }

    /// Waits for its end, and throws what it threw.
    func result() throws -> Value {
        finish()
        guard let result = outcome.withLock({ $0 }) else { preconditionFailure("ended without an outcome") }
        return try result.get()
    }
}
