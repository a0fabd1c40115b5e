import Glibc
package import LinuxSystem
import Synchronization

/// A small HTTP server for GET and HEAD, and for POST to named paths, on libmicrohttpd's polling thread.
///
/// The handler runs on that thread, so it must answer from memory or with a file and never block. Files are sent with
/// sendfile(2), so a slow client costs a socket and no memory. With TLS they are read in pieces instead.
package final class HTTPListener: Sendable {
    /// Returns the response to a request. Runs on the polling thread and must not block.
    package typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse

    /// Limits against slow and numerous clients.
    package struct Limits: Sendable {
        /// Maximum number of open connections: enough for a thousand scanners with kept connections, and browsers.
        /// Further clients receive 503 and are disconnected.
        ///
        /// Also capped at a quarter of RLIMIT_NOFILE. Each connection may need two descriptors (socket and file), and
        /// the broker and database connections must always find one.
        package var connections = 4_096
        /// A connection without traffic is closed after this time, in seconds.
        package var idleS = 30
        /// `closeStalled` closes a connection without a complete request for this time, in seconds. Single bytes do not
        /// count as progress.
        package var requestS = 40
        /// `closeStalled` closes a connection that acknowledges fewer than `responseBytes` of its response in this
        /// time, in seconds.
        package var responseS = 60
        /// Minimum progress of a response within `responseS`, in bytes: 100 bytes/s. This is the minimum speed of
        /// scanners and a twentieth of a 16 kbit/s link.
        package var responseBytes: Int64 = 6_000
        /// `closeStalled` closes a stream whose client acknowledges no byte for this time although some wait, in
        /// seconds. A slow client skips frames, so its speed has no minimum.
        package var streamS = 60
        /// Maximum number of open connections of one IPv4 address, or of one IPv6 network of 64 bits. Further ones are
        /// closed unanswered.
        package var connectionsPerAddress = 256
        /// Whether an address has no such limit. A proxy on this machine carries the connections of all clients.
        package var isUnlimited: @Sendable (IPAddress) -> Bool = { $0.isLoopback }

        /// Creates the default limits.
        package init() {}
    }

    /// Time after which connections with a former certificate are closed, in milliseconds. Scanners resume downloads.
    private static let drainMs: Int64 = 600_000

    private struct Draining {
        let daemon: HTTPDaemon
        let socket: Int32
        let sinceMs: Int64

        func end() {
            daemon.stop()
            if socket >= 0 { close(socket) }
        }
    }

    private struct State {
        var current: HTTPDaemon?
        var certificate: HTTPCertificate?
        var former: [Draining] = []
    }

    private let state: Mutex<State>
    private let context: HTTPDaemon.Context
    private let address: HTTPAddress
    /// The port in use, also if the address has port 0.
    package let port: UInt16

    /// Starts listening.
    ///
    /// - Parameters:
    ///   - address: address to listen on.
    ///   - limits: limits of connections and times.
    ///   - certificate: certificate for TLS 1.2 and later; `nil` for plain HTTP.
    ///   - posts: paths that accept POST, with the maximum size of the body, in bytes.
    ///   - handler: answers a request. Runs on the server's thread and must not block.
    /// - Throws: `HTTPServerError` if the address or the certificate cannot be used.
    package init(
        _ address: HTTPAddress, limits: Limits = Limits(), certificate: HTTPCertificate? = nil,
        posts: [String: Int] = [:], handler: @escaping Handler
    ) throws(HTTPServerError) {
        guard let (storage, isIPv6) = address.resolve() else {
            throw HTTPServerError(description: "cannot listen on \(address): not an address")
        }
        var limits = limits
        limits.connections = HTTPListener.capped(limits.connections)
        context = HTTPDaemon.Context(handler, limits, posts)
        let daemon = HTTPDaemon(context, certificate)
        guard daemon.start(storage, isIPv6: isIPv6) else {
            throw HTTPListener.failure(address, hasCertificate: certificate != nil)
        }
        self.address = address
        state = Mutex(State(current: daemon, certificate: certificate))
        port = daemon.port
    }

    private static func failure(_ address: HTTPAddress, hasCertificate: Bool) -> HTTPServerError {
        let code = errno
        // libmicrohttpd reports no reason for a certificate that it rejects; EBADF is of its clean-up.
        let cause =
            hasCertificate && [0, EBADF].contains(code)
            ? "TLS does not start with this certificate and key" : String(cString: strerror(code))
        return HTTPServerError(description: "cannot listen on \(address): \(cause)")
    }

    /// Applies the cap of a quarter of RLIMIT_NOFILE.
    private static func capped(_ connections: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return connections }
        return min(connections, Int(clamping: limit.rlim_cur / 4))
    }

    /// Number of open connections.
    package var connections: Int { context.connections.count }

    /// Connections and responses of the server; it stays valid after the server.
    package var traffic: HTTPTraffic { context.traffic }

    /// Uses another certificate for new connections, without a moment in which the port refuses clients.
    ///
    /// Open connections keep their certificate. They are closed after their response, or after ten minutes. Streams end.
    ///
    /// - Parameter certificate: the new certificate; nothing happens if it is the current one.
    /// - Throws: `HTTPServerError` if it cannot be used. The former certificate then stays in use.
    package func use(_ certificate: HTTPCertificate) throws(HTTPServerError) {
        let isStarted = state.withLock { state -> Bool in
            guard let current = state.current, state.certificate != certificate else { return true }
            let socket = current.duplicateSocket()
            let next = HTTPDaemon(context, certificate)
            // After a failure libmicrohttpd has closed the socket.
            guard socket >= 0, next.start(sockaddr_storage(), isIPv6: false, listening: socket) else { return false }
            let former = Draining(daemon: current, socket: current.drain(), sinceMs: SystemClock.monotonicMs())
            state.former.append(former)
            state.current = next
            state.certificate = certificate
            return true
        }
        guard isStarted else { throw HTTPListener.failure(address, hasCertificate: true) }
    }

    /// Closes connections that exceed `Limits.requestS`, `Limits.responseS` or `Limits.streamS`, and ends the daemons of
    /// former certificates. Answers suspended requests whose time is over, and ends streams that are no longer
    /// permitted. Call it every second.
    package func closeStalled() {
        let daemons = state.withLock { ($0.current.map { [$0] } ?? []) + $0.former.map(\.daemon) }
        for daemon in daemons { daemon.checkSuspended() }
        context.connections.shutDownStalled(context.limits)
        let ended = state.withLock { state -> [Draining] in
            let nowMs = SystemClock.monotonicMs()
            let isOver = { (one: Draining) in
                one.daemon.connections == 0 || nowMs - one.sinceMs >= HTTPListener.drainMs
            }
            let ended = state.former.filter(isOver)
            state.former.removeAll(where: isOver)
            return ended
        }
        for one in ended { one.end() }
    }

    deinit { stop(graceMs: 0) }

    /// Stops listening, ends the streams, waits for responses in progress, then closes all connections.
    ///
    /// - Parameter graceMs: maximum wait, in milliseconds.
    package func stop(graceMs: Int = 2_000) {
        let (current, former) = state.withLock { state -> (HTTPDaemon?, [Draining]) in
            defer { (state.current, state.former) = (nil, []) }
            return (state.current, state.former)
        }
        let socket = current?.drain() ?? -1
        var left = graceMs
        while left > 0, context.connections.responding > 0 || current?.streams ?? 0 > 0 {
            usleep(10_000)
            left -= 10
        }
        for one in former { one.end() }
        current?.stop()
        if socket >= 0 { close(socket) }
    }
}
