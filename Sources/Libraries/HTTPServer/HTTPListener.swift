import CMicrohttpd
import Glibc
import Synchronization

/// A small HTTP server for GET and HEAD on libmicrohttpd's polling thread.
///
/// The handler runs on that thread, so it must answer from memory or with a file and never block. Files are sent with
/// sendfile(2), so a slow client costs a socket and no memory.
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

        /// Creates the default limits.
        package init() {}
    }

    /// Connections accepted beyond the limit, in order to answer 503.
    private static let spareConnections = 64
    /// Memory of a connection for request line and headers, in bytes; longer requests are rejected. 64 MiB for all
    /// connections.
    private static let connectionMemoryBytes = 16_384

    private final class Context: Sendable {
        let handler: Handler
        let limits: Limits
        let connections = Connections()
        init(_ handler: @escaping Handler, _ limits: Limits) {
            self.handler = handler
            self.limits = limits
        }
    }

    // Sendable: libmicrohttpd locks it, and this class stops it once.
    private struct Daemon: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let daemon: Mutex<Daemon?>
    private let context: Context
    /// The port in use, also if the address has port 0.
    package let port: UInt16

    /// Starts listening.
    ///
    /// - Parameters:
    ///   - address: address to listen on.
    ///   - limits: limits of connections and times.
    ///   - handler: answers a request. Runs on the server's thread and must not block.
    /// - Throws: `HTTPServerError` if the address cannot be used.
    package init(
        _ address: HTTPAddress, limits: Limits = Limits(), handler: @escaping Handler
    ) throws(HTTPServerError) {
        guard let (storage, isIPv6) = address.resolve() else {
            throw HTTPServerError(description: "cannot listen on \(address): not an address")
        }
        var limits = limits
        limits.connections = HTTPListener.capped(limits.connections)
        let context = Context(handler, limits)
        // One thread, epoll if available, and a pipe that wakes the thread to stop it.
        var flags = MHD_USE_AUTO.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue | MHD_USE_ITC.rawValue
        if isIPv6 { flags |= MHD_USE_IPv6.rawValue }
        errno = 0
        let pointer = withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                shim_http_start(
                    flags, $0, UInt32(limits.connections + HTTPListener.spareConnections), UInt32(limits.idleS),
                    HTTPListener.connectionMemoryBytes, HTTPListener.handle, HTTPListener.completed,
                    HTTPListener.connection,
                    Unmanaged.passUnretained(context).toOpaque())
            }
        }
        guard let pointer else {
            throw HTTPServerError(description: "cannot listen on \(address): \(String(cString: strerror(errno)))")
        }
        self.context = context
        daemon = Mutex(Daemon(pointer: pointer))
        port = UInt16(truncatingIfNeeded: shim_http_port(pointer))
    }

    /// Applies the cap of a quarter of RLIMIT_NOFILE.
    private static func capped(_ connections: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return connections }
        return min(connections, Int(clamping: limit.rlim_cur / 4))
    }

    /// Number of open connections.
    package var connections: Int { context.connections.count }

    /// Closes connections that exceed `Limits.requestS` or `Limits.responseS`. Call it every few seconds.
    package func closeStalled() { context.connections.shutDownStalled(context.limits) }

    deinit { stop(graceMs: 0) }

    /// Stops listening, waits for responses in progress, then closes all connections.
    ///
    /// - Parameter graceMs: maximum wait, in milliseconds.
    package func stop(graceMs: Int = 2_000) {
        let pointer: OpaquePointer? = daemon.withLock { daemon in
            defer { daemon = nil }
            return daemon?.pointer
        }
        guard let pointer else { return }
        let socket = MHD_quiesce_daemon(pointer)
        var left = graceMs
        while left > 0, context.connections.responding > 0 {
            usleep(10_000)
            left -= 10
        }
        MHD_stop_daemon(pointer)
        if socket >= 0 { close(socket) }
    }

    /// Called twice per request: after the headers, then to answer. The mark distinguishes the calls.
    private static let handle: MHD_AccessHandlerCallback = { context, connection, path, method, _, _, bodySize, mark in
        let context = Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue()
        guard let connection, let path, let method, let bodySize, let mark else { return MHD_Result.NO }
        let verb = String(cString: method)
        if mark.pointee == nil {
            mark.pointee = UnsafeMutableRawPointer(bitPattern: 1)
            context.connections.began(shim_http_socket(connection))
            guard context.connections.count <= context.limits.connections else {
                return HTTPListener.refuse(connection, "503: too many connections\n", 503, [("Retry-After", "5")])
            }
            guard verb != "GET" && verb != "HEAD" else { return MHD_Result.YES }
            return HTTPListener.refuse(connection, "405: GET and HEAD only\n", 405, [("Allow", "GET, HEAD")])
        }
        // Neither GET nor HEAD has a body here.
        guard bodySize.pointee == 0 else { return MHD_Result.NO }
        var headers: [String: String] = [:]
        withUnsafeMutablePointer(to: &headers) {
            _ = MHD_get_connection_values(connection, .HEADER_KIND, { HTTPListener.collect($0, $2, $3) }, $0)
        }
        // Range is defined for GET only (RFC 9110 section 14.2).
        if verb == "HEAD" { headers["range"] = nil }
        var response = context.handler(HTTPRequest(path: String(cString: path), headers: headers))
        // Disable keep-alive above half the limit, so idle clients do not hold connections.
        if context.connections.count > context.limits.connections / 2 {
            response.headers.append(("Connection", "close"))
        }
        return HTTPListener.send(response, to: connection, requestHeaders: headers)
    }

    private static let completed: MHD_RequestCompletedCallback = { context, connection, mark, _ in
        guard let context, let connection, mark?.pointee != nil else { return }
        Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().connections.ended(shim_http_socket(connection))
    }

    private static let connection: MHD_NotifyConnectionCallback = { context, connection, _, event in
        guard let context, let connection else { return }
        let connections = Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().connections
        let socket = shim_http_socket(connection)
        if event == .CONNECTION_NOTIFY_STARTED { connections.opened(socket) } else { connections.closed(socket) }
    }

    private static func collect(
        _ target: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?
    ) -> MHD_Result {
        guard let target, let name, let value else { return MHD_Result.YES }
        target.assumingMemoryBound(to: [String: String].self).pointee[String(cString: name).lowercased()] =
            String(cString: value)
        return MHD_Result.YES
    }

    private static func refuse(
        _ connection: OpaquePointer, _ text: String, _ status: Int, _ headers: [(name: String, value: String)]
    ) -> MHD_Result {
        var response = HTTPResponse.text(text, status: status)
        response.headers = headers + [("Connection", "close")]
        return send(response, to: connection, requestHeaders: [:])
    }

    private static func send(
        _ response: HTTPResponse, to connection: OpaquePointer, requestHeaders: [String: String]
    ) -> MHD_Result {
        var (status, headers) = (response.status, response.headers + [("Content-Type", response.contentType)])
        let message: OpaquePointer?
        switch response.body {
        case .bytes(let bytes): message = self.message(bytes)
        case .file(let file):
            headers += [("ETag", file.etag), ("Accept-Ranges", "bytes")]
            switch Selection(etag: file.etag, size: file.size, headers: requestHeaders) {
            case .whole: message = self.message(file, 0, file.size)
            case .part(let range):
                status = 206
                headers.append(("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound)/\(file.size)"))
                message = self.message(file, range.lowerBound, range.upperBound - range.lowerBound + 1)
            case .notModified:
                status = 304
                message = self.message([])
            case .unsatisfiable:
                status = 416
                headers.append(("Content-Range", "bytes */\(file.size)"))
                message = self.message([])
            }
        }
        guard let message else { return MHD_Result.NO }
        defer { MHD_destroy_response(message) }
        for (name, value) in headers { MHD_add_response_header(message, name, value) }
        return MHD_queue_response(connection, UInt32(status), message)
    }

    private static func message(_ bytes: [UInt8]) -> OpaquePointer? {
        var bytes = bytes
        return MHD_create_response_from_buffer(bytes.count, &bytes, .RESPMEM_MUST_COPY)
    }

    /// libmicrohttpd closes the descriptor it receives, so it receives a duplicate.
    private static func message(_ file: HTTPFile, _ offset: Int64, _ count: Int64) -> OpaquePointer? {
        let own = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 3)
        guard own >= 0 else { return nil }
        let message = MHD_create_response_from_fd_at_offset64(UInt64(count), own, UInt64(offset))
        if message == nil { close(own) }
        return message
    }
}
