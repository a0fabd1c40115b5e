import CMicrohttpd
import Glibc
import LinuxSystem
import Synchronization

/// One daemon of libmicrohttpd. All its connections have the same certificate.
final class HTTPDaemon: Sendable {
    /// What all daemons of a listener share.
    final class Context: Sendable {
        let handler: HTTPListener.Handler
        let limits: HTTPListener.Limits
        /// Maximum size of the body by path of POST, in bytes.
        let posts: [String: Int]
        let connections: Connections
        let traffic: HTTPTraffic
        var reply: HTTPReply { HTTPReply(traffic: traffic) }

        init(_ handler: @escaping HTTPListener.Handler, _ limits: HTTPListener.Limits, _ posts: [String: Int]) {
            self.handler = handler
            self.limits = limits
            self.posts = posts
            connections = Connections(limits)
            traffic = HTTPTraffic(connections)
        }
    }

    /// Connections accepted beyond the limit, in order to answer 503.
    private static let spareConnections = 64
    /// Memory of a connection for request line and headers, in bytes; longer requests are rejected. 64 MiB for all
    /// connections.
    private static let connectionMemoryBytes = 16_384

    // Sendable: libmicrohttpd locks it, and this class stops it once.
    private struct Handle: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let context: Context
    private let certificate: CertificateText?
    private let handle = Mutex<Handle?>(nil)
    private let open = Atomic(0)
    private let isDraining = Atomic(false)
    private let suspensions = Suspensions()
    /// Maximum number of parameters of a query; a request with more is rejected.
    static let queryLimit = 16

    /// Creates a daemon that does not listen yet.
    init(_ context: Context, _ certificate: HTTPCertificate?) {
        self.context = context
        self.certificate = certificate.map(CertificateText.init)
    }

    deinit { stop() }

    /// Starts listening at an address, or on a socket that listens already and then belongs to the daemon.
    ///
    /// - Returns: whether the daemon runs; `errno` has the cause otherwise, if the system rejected a call.
    func start(_ address: sockaddr_storage, isIPv6: Bool, listening: Int32 = -1) -> Bool {
        errno = 0
        let limits = context.limits
        let pointer = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                var settings = shim_http_settings(
                    address: address, listening: listening, is_ipv6: isIPv6 ? 1 : 0,
                    connections: UInt32(limits.connections + HTTPDaemon.spareConnections),
                    idle_s: UInt32(limits.idleS), memory_bytes: HTTPDaemon.connectionMemoryBytes,
                    certificate: certificate.map { UnsafePointer($0.chain) },
                    key: certificate.map { UnsafePointer($0.key) }, accepts: HTTPDaemon.accepts,
                    handle: HTTPDaemon.respond, completed: HTTPDaemon.completed, connection: HTTPDaemon.connection,
                    context: Unmanaged.passUnretained(self).toOpaque())
                return shim_http_start(&settings)
            }
        }
        guard let pointer else { return false }
        handle.withLock { $0 = Handle(pointer: pointer) }
        return true
    }

    /// The port in use; 0 if the daemon does not run.
    var port: UInt16 { handle.withLock { UInt16(truncatingIfNeeded: $0.map { shim_http_port($0.pointer) } ?? 0) } }

    /// Returns a duplicate of the listening socket; -1 without one.
    func duplicateSocket() -> Int32 {
        handle.withLock { handle in
            guard let handle else { return -1 }
            return fcntl(shim_http_listening(handle.pointer), F_DUPFD_CLOEXEC, 3)
        }
    }

    /// Stops listening, ends the streams, and closes each connection after its current response.
    ///
    /// - Returns: the socket, which the caller closes after `stop`; -1 without one.
    func drain() -> Int32 {
        isDraining.store(true, ordering: .relaxed)
        suspensions.endStreams()
        return handle.withLock { $0.map { MHD_quiesce_daemon($0.pointer) } ?? -1 }
    }

    /// Number of open connections.
    var connections: Int { open.load(ordering: .relaxed) }

    /// Number of open streams.
    var streams: Int { suspensions.streams }

    /// Answers suspended requests whose time is over, and ends streams that are no longer permitted.
    func checkSuspended() { suspensions.check(nowMs: SystemClock.monotonicMs()) }

    /// Closes all connections and ends the daemon.
    func stop() {
        // libmicrohttpd ends the process if a connection is suspended then.
        suspensions.end()
        let handle = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let handle { MHD_stop_daemon(handle.pointer) }
    }

    // MARK: Callbacks

    private static func daemon(_ pointer: UnsafeMutableRawPointer) -> HTTPDaemon {
        Unmanaged<HTTPDaemon>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Refuses a connection before it costs anything, if its address has too many.
    private static let accepts: MHD_AcceptPolicyCallback = { context, address, _ in
        guard let context, let address, let peer = IPAddress(address) else { return MHD_Result.YES }
        return daemon(context).context.connections.accepts(peer) ? MHD_Result.YES : MHD_Result.NO
    }

    /// Called after the headers, for each piece of the body, then to answer, and again after a suspension. The mark
    /// distinguishes the calls.
    private static let respond: MHD_AccessHandlerCallback = {
        pointer, connection, path, method, _, data, bodySize, mark in
        guard let pointer, let connection, let path, let method, let bodySize, let mark else { return MHD_Result.NO }
        let daemon = daemon(pointer)
        let verb = String(cString: method)
        guard let pending = mark.pointee else {
            let exchange = Exchange()
            mark.pointee = exchange.mark()
            return daemon.begin(exchange, connection, verb, String(cString: path))
        }
        let exchange = Exchange.behind(pending)
        guard bodySize.pointee == 0 else {
            // Neither GET nor HEAD has a body here. No response can be sent within a body.
            guard exchange.append(data, bodySize.pointee) else { return MHD_Result.NO }
            bodySize.pointee = 0
            return MHD_Result.YES
        }
        if let later = exchange.later {
            // The connection was resumed.
            return daemon.send(HTTPResponse(contentType: "", body: .later(later)), exchange, connection, verb)
        }
        exchange.headers = values(connection, .HEADER_KIND, lowercased: true).values
        // Range is defined for GET only (RFC 9110 section 14.2).
        if verb == "HEAD" { exchange.headers["range"] = nil }
        let query = values(connection, .GET_ARGUMENT_KIND, lowercased: false)
        guard query.count <= queryLimit else {
            return daemon.context.reply.refuse(
                connection, "400: a query has at most \(queryLimit) parameters\n", 400, [])
        }
        let request = HTTPRequest(
            path: String(cString: path), query: query.values, headers: exchange.headers,
            peer: shim_http_peer(connection).flatMap(IPAddress.init),
            body: exchange.limitBytes == nil ? nil : exchange.body)
        return daemon.send(daemon.context.handler(request), exchange, connection, verb)
    }

    /// Accepts or rejects a request by its headers.
    private func begin(_ exchange: Exchange, _ connection: OpaquePointer, _ verb: String, _ path: String) -> MHD_Result
    {
        context.connections.began(shim_http_socket(connection))
        guard context.connections.count <= context.limits.connections else {
            return context.reply.refuse(connection, "503: too many connections\n", 503, [("Retry-After", "5")])
        }
        guard verb != "GET" && verb != "HEAD" else { return MHD_Result.YES }
        guard let limit = context.posts[path] else {
            return context.reply.refuse(connection, "405: GET and HEAD only\n", 405, [("Allow", "GET, HEAD")])
        }
        guard verb == "POST" else {
            return context.reply.refuse(connection, "405: POST only\n", 405, [("Allow", "POST")])
        }
        exchange.limitBytes = limit
        return MHD_Result.YES
    }

    /// Sends a response, or suspends the connection until there is one.
    private func send(
        _ given: HTTPResponse, _ exchange: Exchange, _ connection: OpaquePointer, _ verb: String
    ) -> MHD_Result {
        var response = given
        while case .later(let later) = response.body {
            exchange.later = later
            suspensions.add(later)
            guard let answer = later.take(suspending: connection) else { return MHD_Result.YES }
            response = answer
        }
        let socket = shim_http_socket(connection)
        if case .stream(let hub) = response.body {
            response.headers.append(("Connection", "close"))
            guard verb != "HEAD" else {
                response.body = .bytes([])
                return context.reply.send(response, to: connection, requestHeaders: [:])
            }
            guard let stream = HTTPStream(hub, connection, permits: response.permits) else {
                return context.reply.refuse(connection, "503: too many streams\n", 503, [("Retry-After", "5")])
            }
            exchange.stream = stream
            guard suspensions.add(stream) else {
                return context.reply.refuse(connection, "503: the server ends\n", 503, [("Retry-After", "5")])
            }
            context.connections.streams(socket)
            HTTPStream.limitBuffers(socket)
            // `closeStalled` ends the streams that make no progress.
            shim_http_no_timeout(connection)
            return context.reply.send(response, of: stream, to: connection)
        }
        // Disable keep-alive above half of a limit, so idle clients do not hold connections.
        if isDraining.load(ordering: .relaxed) || context.connections.isCrowded(socket) {
            response.headers.append(("Connection", "close"))
        }
        return context.reply.send(response, to: connection, requestHeaders: exchange.headers)
    }

    private static let completed: MHD_RequestCompletedCallback = { pointer, connection, mark, _ in
        guard let pointer, let connection, let mark, let pending = mark.pointee else { return }
        let daemon = daemon(pointer)
        daemon.suspensions.remove(Exchange.behind(pending))
        Exchange.release(pending)
        mark.pointee = nil
        daemon.context.connections.ended(shim_http_socket(connection))
    }

    private static let connection: MHD_NotifyConnectionCallback = { pointer, connection, _, event in
        guard let pointer, let connection else { return }
        let daemon = daemon(pointer)
        let socket = shim_http_socket(connection)
        if event == .CONNECTION_NOTIFY_STARTED {
            daemon.open.wrappingAdd(1, ordering: .relaxed)
            daemon.context.connections.opened(socket, from: shim_http_peer(connection).flatMap(IPAddress.init))
        } else {
            daemon.open.wrappingSubtract(1, ordering: .relaxed)
            daemon.context.connections.closed(socket)
        }
    }

    private struct Values {
        var values: [String: String] = [:]
        var count = 0
        let lowercased: Bool
    }

    /// Returns headers or parameters by name, the last value of a repeated one, and their number. A parameter without
    /// `=` has an empty value.
    private static func values(
        _ connection: OpaquePointer, _ kind: MHD_ValueKind, lowercased: Bool
    ) -> (values: [String: String], count: Int) {
        var found = Values(lowercased: lowercased)
        withUnsafeMutablePointer(to: &found) {
            _ = MHD_get_connection_values(
                connection, kind,
                { target, _, name, value in
                    guard let target, let name else { return MHD_Result.YES }
                    let found = target.assumingMemoryBound(to: Values.self)
                    let key = String(cString: name)
                    found.pointee.values[found.pointee.lowercased ? key.lowercased() : key] =
                        value.map { String(cString: $0) } ?? ""
                    found.pointee.count += 1
                    return MHD_Result.YES
                }, $0)
        }
        return (found.values, found.count)
    }
}
