import CRabbitMQ
import Glibc

/// One connection to a broker with one open channel, owned by one thread: librabbitmq is not thread-safe, so this class
/// is not `Sendable`.
///
/// The owner waits in its own poll(2) on `descriptor`, at most 250 ms, so that heartbeats are sent in time. Then it
/// calls `poll()`, also after every publish and every other call, because those may read events off the socket. Only
/// connecting, closing and the calls that declare or subscribe block, within the given time-outs. After an error that
/// is not `isChannelOnly` the connection is unusable.
package final class AMQPConnection {
    /// Maximum frame size offered to the broker, in bytes: the usual 128 KiB.
    static let frameMaxBytes: Int32 = 131_072
    /// Minimum frame size accepted from the broker, in bytes: the minimum of the standard. A smaller one crashed old
    /// versions of the library.
    static let frameMinBytes: Int32 = 4_096
    /// Maximum size of a message, in bytes: RabbitMQ's own limit. A larger one is a protocol violation.
    static let bodyLimitBytes: UInt64 = 128 << 20
    /// Size of the kernel's send buffer, in bytes: fixed, so that `hasRoom` knows what fits without blocking.
    static let sendBufferBytes: Int32 = 512 << 10

    let address: AMQPAddress
    /// The user of the connection, for the property `user_id`.
    package var user: String { address.user }
    /// Number of the open channel. A new channel gets a new number; delivery tags are valid within one channel.
    package private(set) var channel: UInt16 = 0
    /// `false` after the broker has closed the channel.
    package internal(set) var isChannelOpen = false
    /// `false` after the connection is lost or closed.
    package internal(set) var isOpen = true

    let state: amqp_connection_state_t
    private var roomBytes = 0
    /// The tag of the next publish; 0 while confirms are off.
    var nextTag: UInt64 = 0
    var assembly = MessageAssembly()
    /// An error that followed received events; the next call throws it.
    var pendingError: AMQPError?

    /// Connects, logs in and opens a channel.
    ///
    /// - Parameters:
    ///   - address: the broker and the credentials.
    ///   - heartbeatS: heartbeat interval, in seconds. The connection is lost after two intervals without data; 10 to
    ///     20 is sensible, 0 disables heartbeats.
    ///   - connectTimeoutMs: time-out of the TCP connection and of TLS, in milliseconds, without name resolution.
    ///   - loginTimeoutMs: time-out of the handshake and of every later call that waits for an answer, in milliseconds.
    ///   - name: name of this connection in the broker's management interface.
    ///   - interrupt: a descriptor that ends the attempt when it becomes readable (`StopSignal.descriptor`); -1 for
    ///     none.
    /// - Throws: `AMQPError`: `unreachable`, `refused`, `timedOut`, or `interrupted` by the descriptor.
    package init(
        _ address: AMQPAddress, heartbeatS: Int = 10, connectTimeoutMs: Int = 5_000, loginTimeoutMs: Int = 10_000,
        name: String, interrupt: Int32 = -1
    ) throws(AMQPError) {
        self.address = address
        guard let state = amqp_new_connection() else { fatalError("out of memory") }
        self.state = state
        do throws(AMQPError) {
            var limit = AMQPConnection.timeval(ms: loginTimeoutMs)
            amqp_set_handshake_timeout(state, &limit)
            amqp_set_rpc_timeout(state, &limit)
            try openSocket(connectTimeoutMs)
            try setSocketOptions()
            let watch = ConnectGuard(socket: descriptor, interrupt: interrupt)
            defer { watch.end() }
            try login(heartbeatS, name)
            try openChannel()
        } catch {
            isOpen = false
            guard AMQPConnection.isReadable(interrupt) else { throw error }
            throw AMQPError(.interrupted, "connect to \(address)", error.detail)
        }
    }

    deinit {
        // Closes without the AMQP close handshake. Shutting down first keeps TLS from waiting for the peer.
        let socket = amqp_get_sockfd(state)
        if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
        amqp_destroy_connection(state)
    }

    /// The socket, for poll(2); -1 if the library has closed it.
    package var descriptor: Int32 { amqp_get_sockfd(state) }

    /// Bytes written that the peer's kernel has not acknowledged; a falling value is progress. 0 on a closed socket.
    package var unacknowledgedBytes: Int { max(0, Int(shim_unacknowledged_bytes(descriptor))) }

    /// Returns whether a publish certainly fits the kernel's send buffer. Otherwise the library may block until the
    /// broker reads.
    ///
    /// - Parameter count: bytes of the message, body and properties.
    package func hasRoom(forBytes count: Int) -> Bool { unacknowledgedBytes + count + 1_024 <= roomBytes }

    /// Opens a new channel in place of one that the broker closed. Its delivery tags start at 1, and confirms are off.
    ///
    /// - Throws: `AMQPError`.
    package func openChannel() throws(AMQPError) {
        try checkOpen("open channel")
        channel += 1
        nextTag = 0
        assembly = MessageAssembly()
        isChannelOpen = true
        guard Int32(channel) <= amqp_get_channel_max(state) else {
            throw lost(AMQPError(.connectionLost, "open channel", "no channel numbers left on this connection"))
        }
        _ = try call("open channel") { state, channel, _ in amqp_channel_open(state, channel) }
    }

    /// Closes the connection. The outcome of unconfirmed publishes stays unknown.
    ///
    /// - Parameter timeoutMs: maximum wait for the broker's answer, in milliseconds.
    package func close(timeoutMs: Int = 1_000) {
        guard isOpen else { return }
        isOpen = false
        isChannelOpen = false
        var limit = AMQPConnection.timeval(ms: timeoutMs)
        amqp_set_rpc_timeout(state, &limit)
        _ = amqp_connection_close(state, AMQP_REPLY_SUCCESS)
    }

    // MARK: Connecting

    private func openSocket(_ timeoutMs: Int) throws(AMQPError) {
        var limit = AMQPConnection.timeval(ms: timeoutMs)
        let operation = "connect to \(address)"
        let socket: OpaquePointer?
        if address.usesTLS {
            socket = amqp_ssl_socket_new(state)
            guard let socket else { throw AMQPError(.unreachable, operation, "TLS is not available") }
            amqp_ssl_socket_set_verify_peer(socket, 1)
            amqp_ssl_socket_set_verify_hostname(socket, 1)
            amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)
            // This version of the library loads no certificate authorities by default.
            let authorities = address.authorityFile ?? "/etc/ssl/certs/ca-certificates.crt"
            guard amqp_ssl_socket_set_cacert(socket, authorities) == AMQP_STATUS_OK.rawValue else {
                throw AMQPError(.unreachable, operation, "cannot load the certificate authorities in \(authorities)")
            }
            if let certificate = address.certificateFile, let key = address.keyFile {
                guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
                    throw AMQPError(.unreachable, operation, "cannot load the certificate in \(certificate)")
                }
            }
        } else {
            socket = amqp_tcp_socket_new(state)
        }
        let status = amqp_socket_open_noblock(socket, address.host, Int32(address.port), &limit)
        guard status == AMQP_STATUS_OK.rawValue else {
            throw AMQPError(
                .unreachable, operation,
                ConnectCause.of(host: address.host, port: Int(address.port)) ?? AMQPConnection.text(status))
        }
    }

    private func setSocketOptions() throws(AMQPError) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        // The kernel ends the connection if data stays unacknowledged for 30 s. Heartbeats detect that too, but they
        // may be off, and RabbitMQ does not watch a blocked connection.
        set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000)
        set(SOL_SOCKET, SO_SNDBUF, AMQPConnection.sendBufferBytes)
        // SO_SNDTIMEO has no effect while the library's socket is non-blocking; it limits writes before and after that.
        var limit = AMQPConnection.timeval(ms: 5_000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var granted: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &granted, &size)
        // The kernel includes its own overhead in the size; a quarter of it is certainly available for payload.
        roomBytes = Int(granted) / 4
    }

    private func login(_ heartbeatS: Int, _ name: String) throws(AMQPError) {
        let arena = Arena()
        var properties = arena.table([
            "connection_name": .text(name),
            "product": "Tapline",
            // Without the first two the broker reports neither alarms nor deleted queues.
            "capabilities": .table([
                "connection.blocked": true, "consumer_cancel_notify": true, "authentication_failure_close": true,
                "basic.nack": true, "publisher_confirms": true, "exchange_exchange_bindings": true,
            ]),
        ])
        let reply = shim_login_plain(
            state, address.virtualHost, 0, AMQPConnection.frameMaxBytes, Int32(heartbeatS), &properties, address.user,
            address.password)
        let operation = "log in to \(address)"
        if let error = failure(reply, operation) {
            // 403 access refused, 530 not allowed (virtual host).
            let refused = error.replyCode == 403 || error.replyCode == 530
            throw AMQPError(refused ? .refused : .unreachable, operation, error.detail)
        }
        guard amqp_get_frame_max(state) >= AMQPConnection.frameMinBytes else {
            throw AMQPError(.unreachable, operation, "the broker requires frames under 4096 bytes")
        }
    }

    static func timeval(ms: Int) -> Glibc.timeval {
        Glibc.timeval(tv_sec: ms / 1_000, tv_usec: ms % 1_000 * 1_000)
    }

    private static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return descriptor >= 0 && Glibc.poll(&entry, 1, 0) > 0
    }
}
