import CLinux
import Glibc

/// A named pthread. The object stays alive until the body returns, for which a task can wait with `end`.
package final class NamedThread: Sendable {
    /// Size of a stack unless another one is given, in bytes.
    package static let usualStackBytes = 1 << 20

    private let waiters = OneShotEvent()

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: name of the thread, truncated to the 15 bytes of the kernel.
    ///   - stackBytes: size of the stack, in bytes.
    ///   - body: runs on the thread.
    @discardableResult
    package init(
        _ name: String, stackBytes: Int = NamedThread.usualStackBytes, _ body: @escaping @Sendable () -> Void
    ) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        let start = Unmanaged.passRetained(
            Box {
                shim_name_thread(String(decoding: name.utf8.prefix(15), as: UTF8.self))
                body()
                self.waiters.release()
            })
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "pthread_create: \(String(cString: strerror(code)))")
    }

    private final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Suspends until the thread has ended.
    package func end() async { await waiters.wait() }

    /// Runs a blocking body on a new thread and waits for its result.
    ///
    /// - Parameters:
    ///   - name: name of the thread.
    ///   - stackBytes: size of the stack, in bytes.
    ///   - body: runs on the thread.
    /// - Returns: the result of `body`.
    /// - Throws: the error of `body`.
    package static func run<Result: Sendable>(
        _ name: String, stackBytes: Int = usualStackBytes, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            NamedThread(name, stackBytes: stackBytes) { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}
