import Runtime
import Synchronization

/// Runs a closure on a separate thread, and keeps its result.
final class BackgroundTask<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let ended = StopSignal()

    /// - Parameter name: the name of the thread.
    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        NamedThread(name) { [self] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            ended.stop()
        }
    }

    /// Waits until the closure has ended.
    func wait() { ended.wait(ms: -1) }

    /// Waits until the closure has ended, and returns its result.
    ///
    /// - Throws: the error of the closure.
    func result() throws -> Value {
        wait()
        guard let result = outcome.withLock({ $0 }) else { preconditionFailure("ended without an outcome") }
        return try result.get()
    }
}
