import CRabbitMQ
import Glibc

/// One connection to a broker with one open channel, owned by one thread: librabbitmq is not thread-safe, and neither
/// is this class `Sendable`.
///
/// The owner sleeps in its own poll(2) over `descriptor` (250 ms at most, so that heartbeats go out in time) and then calls
/// `poll()`, also after every publish and every other call, for those may take events off the socket. Nothing here
/// sleeps but connecting, closing and the calls that declare or subscribe, all within the time-outs given.
/// After an error that is not `isChannelOnly` the connection is of no use any more.
package final class AMQPConnection {
    /// Largest frame offered to the broker, bytes: the usual 128 KiB.
    static let frameMaxBytes: Int32 = 131_072
    /// A broker that wants smaller frames than the standard allows is refused (a small one crashed old libraries).
    static let frameMinBytes: Int32 = 4_096
    /// A message declared longer than RabbitMQ itself takes (128 MiB) is a broken peer.
    static let bodyLimitBytes: UInt64 = 128 << 20
    /// Kernel's send buffer, bytes: fixed, so that `hasRoom` knows what fits without sleeping.
    static let sendBufferBytes: Int32 = 512 << 10

    package let address: AMQPAddress
    /// The user of the connection, for the property `user_id`.
    package var user: String { address.user }
    /// Number of the open channel; a new channel is a new number, and delivery tags belong to one channel.
    package private(set) var channel: UInt16 = 0
    /// False once the broker has closed the channel.
    package internal(set) var isChannelOpen = false
    /// False once the connection is lost or closed.
    package internal(set) var isOpen = true

    let state: amqp_connection_state_t
    private var roomBytes = 0
    /// The tag of the next publish; 0 while confirms are off.
    var nextTag: UInt64 = 0
    var assembly = MessageAssembly()
    /// An error met while events were already at hand: thrown by the next call.
    var pendingError: AMQPError?

    /// Connects, logs in and opens a channel.
    ///
    /// - Parameters:
    ///   - heartbeatS: a peer that is silent for twice this long is dead; 10 to 20 is sensible, 0 switches it off.
    ///   - connectTimeoutMs: for the TCP connection and TLS (a name server's delay comes on top).
    ///   - loginTimeoutMs: for the handshake, and for every later call that waits for an answer.
    ///   - name: how the broker's management shows this connection.
    ///   - interrupt: a descriptor that ends the attempt when it becomes readable (`StopSignal.descriptor`); -1: none.
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
        // A close without farewell; shutting down first keeps TLS from waiting for the other side.
        let socket = amqp_get_sockfd(state)
        if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
        amqp_destroy_connection(state)
    }

    /// The socket, to be waited on for reading; -1 when the library has closed it.
    package var descriptor: Int32 { amqp_get_sockfd(state) }

    /// Bytes written that the other side's kernel has not acknowledged; shrinking means progress. 0 on a closed socket.
    package var unacknowledgedBytes: Int { max(0, Int(shim_unacknowledged_bytes(descriptor))) }

    /// Whether a publish of that many bytes (body and properties) certainly fits the kernel's send buffer now. One that
    /// does not could put the thread to sleep inside the library for as long as the broker does not read.
    package func hasRoom(forBytes count: Int) -> Bool { unacknowledgedBytes + count + 1_024 <= roomBytes }

    /// Opens a new channel in place of one that the broker closed. Its delivery tags start at 1, and confirms are off.
    package func openChannel() throws(AMQPError) {
        try checkOpen("open channel")
        channel += 1
        nextTag = 0
        assembly = MessageAssembly()
        isChannelOpen = true
        guard Int32(channel) <= amqp_get_channel_max(state) else {
            throw lost(AMQPError(.connectionLost, "open channel", "this connection has used up its channels"))
        }
        _ = try call("open channel") { state, channel, _ in amqp_channel_open(state, channel) }
    }

    /// Says good-bye and waits for the answer at most `timeoutMs`. Whatever was not confirmed before stays unknown.
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
            // This version of the library loads no authorities by itself.
            let authorities = address.authorityFile ?? "/etc/ssl/certs/ca-certificates.crt"
            guard amqp_ssl_socket_set_cacert(socket, authorities) == AMQP_STATUS_OK.rawValue else {
                throw AMQPError(.unreachable, operation, "cannot load the authorities in \(authorities)")
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
            throw AMQPError(.unreachable, operation, AMQPConnection.text(status))
        }
    }

    private func setSocketOptions() throws(AMQPError) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        // Written but unacknowledged for half a minute: dead. Heartbeats find it too; this is for when they are off
        // (RabbitMQ does not watch a blocked connection).
        set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000)
        set(SOL_SOCKET, SO_SNDBUF, AMQPConnection.sendBufferBytes)
        // The library's socket is non-blocking, where SO_SNDTIMEO has no say; it is for the moments before and after.
        var limit = AMQPConnection.timeval(ms: 5_000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var granted: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &granted, &size)
        // The kernel counts its own overhead too, so a quarter of what it says certainly holds payload.
        roomBytes = Int(granted) / 4
    }

    private func login(_ heartbeatS: Int, _ name: String) throws(AMQPError) {
        let arena = Arena()
        var properties = arena.table([
            "connection_name": .text(name),
            "product": "Tapline",
            // Without the first two the broker tells neither of alarms nor of deleted queues.
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
            throw AMQPError(.unreachable, operation, "the broker wants frames under 4096 bytes")
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
