import CLinux
import Glibc

/// A named plain thread. It keeps itself alive until its body returns; a task can await that with `end`.
package final class NamedThread: Sendable {
    private let waiters = OneShotEvent()

    /// Starts the thread. `name` is cut to the kernel's 15 bytes.
    @discardableResult
    package init(_ name: String, stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) {
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

    /// Runs a throwing blocking body on a thread of its own and awaits its result.
    package static func run<Result: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            NamedThread(name) { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}
