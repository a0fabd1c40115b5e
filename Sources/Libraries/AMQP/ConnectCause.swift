import Glibc
import LinuxSystem

/// The system's reason of a failed TCP connection, which librabbitmq reports only as a socket error.
enum ConnectCause {
    /// Time limit for all addresses of the broker's name, in milliseconds.
    private static let limitMs: Int64 = 1_000

    /// Connects once more to find the reason.
    ///
    /// - Returns: for example `Connection refused`; `nil` if the connection succeeds now, or takes too long.
    static func of(host: String, port: Int) -> String? {
        do throws(SystemError) {
            let addresses = try SocketAddress.resolve(host: host, port: port)
            let deadline = SystemClock.monotonicMs() + limitMs
            close(try SocketAddress.connect(toFirstOf: addresses, operation: "connect", deadline: deadline))
            return nil
        } catch {
            return error.code == ETIMEDOUT ? nil : error.cause
        }
    }
}
