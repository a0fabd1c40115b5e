import CPostgres

/// Cancels the running statement of a connection. Thread-safe, also after the end of the connection.
///
/// The statement throws an error with `isCancelled`, and the connection stays usable.
package final class PostgresCanceller: Sendable {
    /// libpq allows its use on any thread.
    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer? }
    private let handle: Handle

    fileprivate init(_ connection: OpaquePointer) { handle = Handle(pointer: PQgetCancel(connection)) }

    deinit { PQfreeCancel(handle.pointer) }

    /// Cancels the statement. Has no effect before its begin and after its end, and if the server is unavailable.
    package func cancel() {
        var message = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle.pointer, &message, Int32(message.count))
    }
}

extension PostgresConnection {
    /// Returns an object that cancels statements of this connection from other threads.
    package func canceller() -> PostgresCanceller { PostgresCanceller(handle) }
}
