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

        init(_ handler: @escaping HTTPListener.Handler, _ limits: HTTPListener.Limits, _ posts: [String: Int]) {
            self.handler = handler
            self.limits = limits
            self.posts = posts
            connections = Connections(limits)
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

    /// Stops listening, and closes each connection after its current response.
    ///
    /// - Returns: the socket, which the caller closes after `stop`; -1 without one.
    func drain() -> Int32 {
        isDraining.store(true, ordering: .relaxed)
        return handle.withLock { $0.map { MHD_quiesce_daemon($0.pointer) } ?? -1 }
    }

    /// Number of open connections.
    var connections: Int { open.load(ordering: .relaxed) }

    /// Closes all connections and ends the daemon.
    func stop() {
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

    /// Called twice per request: after the headers, then to answer. The mark distinguishes the calls.
    private static let respond: MHD_AccessHandlerCallback = {
        pointer, connection, path, method, _, data, bodySize, mark in
        guard let pointer, let connection, let path, let method, let bodySize, let mark else { return MHD_Result.NO }
        let daemon = daemon(pointer)
        let context = daemon.context
        let verb = String(cString: method)
        let socket = shim_http_socket(connection)
        if mark.pointee == nil {
            mark.pointee = Upload.none
            context.connections.began(socket)
            guard context.connections.count <= context.limits.connections else {
                return HTTPReply.refuse(connection, "503: too many connections\n", 503, [("Retry-After", "5")])
            }
            guard verb != "GET" && verb != "HEAD" else { return MHD_Result.YES }
            guard let limit = context.posts[String(cString: path)] else {
                return HTTPReply.refuse(connection, "405: GET and HEAD only\n", 405, [("Allow", "GET, HEAD")])
            }
            guard verb == "POST" else {
                return HTTPReply.refuse(connection, "405: POST only\n", 405, [("Allow", "POST")])
            }
            mark.pointee = Upload(limitBytes: limit).mark()
            return MHD_Result.YES
        }
        let upload = Upload.behind(mark.pointee)
        guard bodySize.pointee == 0 else {
            // Neither GET nor HEAD has a body here. No response can be sent within a body.
            guard let upload, upload.append(data, bodySize.pointee) else { return MHD_Result.NO }
            bodySize.pointee = 0
            return MHD_Result.YES
        }
        var headers: [String: String] = [:]
        withUnsafeMutablePointer(to: &headers) {
            _ = MHD_get_connection_values(connection, .HEADER_KIND, { HTTPDaemon.collect($0, $2, $3) }, $0)
        }
        // Range is defined for GET only (RFC 9110 section 14.2).
        if verb == "HEAD" { headers["range"] = nil }
        let request = HTTPRequest(
            path: String(cString: path), headers: headers, peer: shim_http_peer(connection).flatMap(IPAddress.init),
            body: upload?.bytes)
        var response = context.handler(request)
        // Disable keep-alive above half of a limit, so idle clients do not hold connections.
        if daemon.isDraining.load(ordering: .relaxed) || context.connections.isCrowded(socket) {
            response.headers.append(("Connection", "close"))
        }
        return HTTPReply.send(response, to: connection, requestHeaders: headers)
    }

    private static let completed: MHD_RequestCompletedCallback = { pointer, connection, mark, _ in
        guard let pointer, let connection, let mark, mark.pointee != nil else { return }
        Upload.release(mark.pointee)
        mark.pointee = nil
        daemon(pointer).context.connections.ended(shim_http_socket(connection))
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

    private static func collect(
        _ target: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?
    ) -> MHD_Result {
        guard let target, let name, let value else { return MHD_Result.YES }
        target.assumingMemoryBound(to: [String: String].self).pointee[String(cString: name).lowercased()] =
            String(cString: value)
        return MHD_Result.YES
    }
}
