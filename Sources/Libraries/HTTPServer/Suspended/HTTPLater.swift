import CMicrohttpd
import LinuxSystem
import Synchronization

/// A connection of libmicrohttpd that is suspended. It is not freed until it is resumed.
struct SuspendedConnection: @unchecked Sendable {
    // Sendable: libmicrohttpd permits to resume from any thread.
    private let pointer: OpaquePointer

    /// Suspends a connection. Call it within a callback of the connection.
    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
        MHD_suspend_connection(pointer)
    }

    /// Resumes the connection. Call it once.
    func resume() { MHD_resume_connection(pointer) }
}

/// Response that another thread makes. The connection is suspended until then, and costs no thread.
///
/// The handler returns a response with the body `.later`. Another thread calls `answer` once. Without an answer in
/// time the client receives 503.
package final class HTTPLater: Sendable {
    private enum Phase {
        case open
        case suspended(SuspendedConnection)
        case answered(HTTPResponse)
    }

    private let phase = Mutex(Phase.open)
    private let deadlineMs: Int64

    /// Creates a response that is open.
    ///
    /// - Parameter timeoutMs: time after which the client receives 503, in milliseconds. `HTTPListener.closeStalled`
    ///   looks at it.
    package init(timeoutMs: Int = 5_000) { deadlineMs = SystemClock.monotonicMs() + Int64(timeoutMs) }

    /// Sends the response. Never blocks. Only the first call has an effect.
    ///
    /// - Parameter response: the response; its body may be a file or a stream, too.
    package func answer(_ response: HTTPResponse) {
        phase.withLock { phase in
            switch phase {
            case .open: phase = .answered(response)
            case .suspended(let connection):
                phase = .answered(response)
                // Under the lock, so that the connection still waits.
                connection.resume()
            case .answered: break
            }
        }
    }

    /// Returns the response; `nil` before the answer. The connection is then suspended until there is one.
    func take(suspending connection: OpaquePointer) -> HTTPResponse? {
        phase.withLock { phase in
            if case .answered(let response) = phase { return response }
            phase = .suspended(SuspendedConnection(connection))
            return nil
        }
    }

    /// Answers 503 if the time is over.
    func expire(nowMs: Int64) {
        if nowMs >= deadlineMs { answer(HTTPLater.unavailable("503: no answer in time\n")) }
    }

    /// A response for clients that may ask again.
    static func unavailable(_ text: String) -> HTTPResponse {
        var response = HTTPResponse.text(text, status: 503)
        response.headers = [("Retry-After", "5"), ("Cache-Control", "no-store")]
        return response
    }
}
