import CRabbitMQ
import Glibc
import LinuxSystem

/// One connection to a broker with one open channel, owned by one thread: librabbitmq is not thread-safe, so this class
/// is not `Sendable`.
///
/// The owner waits in its own poll(2) on `descriptor`, at most 250 ms, so that heartbeats are sent in time. Then it
/// calls `poll()`, also after every publish and every other call, because those may read events off the socket. Only
/// connecting, closing and the calls that declare or subscribe block, within the given time-outs. After an error that
/// is not `isChannelOnly` the connection is unusable.
///
/// The peer is not trusted. Memory is bounded by named limits at any moment: the library never queues a frame, because
/// this class sends each method and reads each frame itself (`AMQPConnection+Calls.swift`). The library alone handles
/// heartbeats. It keeps one page for each channel number that it has seen in one: 256 MiB for all numbers.
package final class AMQPConnection {
    /// Maximum frame size offered to the broker, in bytes: the usual 128 KiB. The broker may choose a smaller one. The
    /// library rejects a larger frame.
    static let frameMaxBytes = 131_072
    /// Minimum frame size accepted from the broker, in bytes: the minimum of the standard. A smaller one crashed old
    /// versions of the library.
    static let frameMinBytes = 4_096
    /// Stack of a thread that owns a connection, in bytes.
    ///
    /// The library decodes nested tables by recursion. The deepest table that fits a frame of `frameMaxBytes` takes
    /// 2.5 MiB on amd64, measured with librabbitmq 0.11.
    package static let stackBytes = 8 << 20
    /// Stack that must be free when a connection is made, in bytes.
    static let freeStackBytes = 3 << 20
    /// Maximum size of a message, in bytes: the highest limit that RabbitMQ can be set to. A larger one is a protocol
    /// violation.
    static let bodyLimitBytes: UInt64 = 512 << 20
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
    /// How much of a body is kept.
    let bodyLimits: AMQPBodyLimits
    /// Maximum wait for an answer of the broker, in milliseconds.
    let answerTimeoutMs: Int
    /// A descriptor that ends the waiting for an answer when it becomes readable; -1 for none.
    let interrupt: Int32
    /// The channel of `inspectQueue`; 0 while it is not open.
    var inspectionChannel: UInt16 = 0
    /// The highest number of a channel so far.
    private(set) var lastChannel: UInt16 = 0
    private var roomBytes = 0
    /// The tag of the next publish; 0 while confirms are off.
    var nextTag: UInt64 = 0
    var assembly = MessageAssembly()
    /// Whether a delivery that the library cannot decode is rejected to the dead-letter exchange, before the connection
    /// ends. A queue without such an exchange loses it.
    package var rejectsUndecodable = true
    /// Product and version of the broker, for example `RabbitMQ 3.10.8`; `nil` if it does not tell them.
    package internal(set) var product: String?
    /// The number of unacknowledged deliveries of each later consumer; 0 is unlimited.
    var prefetch = 0
    /// The number of deliveries without an acknowledgement that each consumer of the channel permits, by consumer tag.
    var consumerPermits: [String: Int] = [:]
    /// Consumers that were cancelled since the last poll. Their deliveries may be among `pendingEvents`.
    var cancelledConsumers: Set<String> = []
    /// The number of deliveries that the consumers of the channel permit without an acknowledgement.
    var permittedDeliveries: Int { consumerPermits.values.reduce(0, +) }
    /// Events that arrived during a call, for the next poll.
    var pendingEvents: [AMQPEvent] = []
    /// The number of deliveries among `pendingEvents`.
    var pendingDeliveries = 0
    /// The size of their bodies, in bytes.
    var pendingBodyBytes = 0
    /// The number of deliveries that were returned to their queues since the last poll.
    var requeuedDeliveries = 0
    /// An error that followed received events; the next call throws it.
    var pendingError: AMQPError?

    /// Connects, logs in and opens a channel.
    ///
    /// The thread needs a stack of `stackBytes`.
    ///
    /// - Parameters:
    ///   - address: the broker and the credentials.
    ///   - heartbeatS: heartbeat interval, in seconds. The connection is lost after two intervals without data; 10 to
    ///     20 is sensible, 0 disables heartbeats.
    ///   - connectTimeoutMs: time-out of the TCP connection and of TLS, in milliseconds, without name resolution.
    ///   - loginTimeoutMs: time-out of the handshake and of every later call that waits for an answer, in milliseconds.
    ///   - name: name of this connection in the broker's management interface.
    ///   - bodyLimits: how much of a message's content is kept.
    ///   - interrupt: a descriptor that ends the attempt, and each later call that waits for an answer, when it becomes
    ///     readable (`StopSignal.descriptor`); -1 for none.
    /// - Throws: `AMQPError`: `unreachable`, `refused`, `timedOut`, or `interrupted` by the descriptor.
    package init(
        _ address: AMQPAddress, heartbeatS: Int = 10, connectTimeoutMs: Int = 5_000, loginTimeoutMs: Int = 10_000,
        name: String, bodyLimits: AMQPBodyLimits = AMQPBodyLimits(), interrupt: Int32 = -1
    ) throws(AMQPError) {
        precondition(
            ThreadStack.freeBytes >= AMQPConnection.freeStackBytes,
            "a thread with an AMQP connection needs a stack of AMQPConnection.stackBytes")
        self.address = address
        self.bodyLimits = bodyLimits
        self.interrupt = interrupt
        answerTimeoutMs = loginTimeoutMs
        guard let state = amqp_new_connection() else { fatalError("out of memory") }
        self.state = state
        do throws(AMQPError) {
            try openSocket(connectTimeoutMs)
            try setSocketOptions()
            try login(heartbeatS, name)
            try openChannel()
        } catch {
            isOpen = false
            guard isInterrupted else { throw error }
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

    /// Whether events wait in memory: poll(2) on `descriptor` does not tell of them.
    package var hasBufferedEvents: Bool {
        pendingError != nil || isOpen && (!pendingEvents.isEmpty || amqp_data_in_buffer(state) != 0)
    }

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
        nextTag = 0
        prefetch = 0
        (consumerPermits, cancelledConsumers) = ([:], [])
        assembly = MessageAssembly()
        isChannelOpen = false
        forgetChannelEvents()
        channel = try openNextChannel("open channel")
        isChannelOpen = true
    }

    /// Opens a channel with a number that was never used on this connection.
    func openNextChannel(_ operation: String) throws(AMQPError) -> UInt16 {
        guard Int32(lastChannel) < amqp_get_channel_max(state), lastChannel < .max else {
            throw lost(AMQPError(.connectionLost, operation, "no channel numbers left on this connection"))
        }
        lastChannel += 1
        _ = try roundTrip(operation, Method.channelOpen, on: lastChannel) { _ in amqp_channel_open_t() }
        return lastChannel
    }

    /// Closes the connection. The outcome of unconfirmed publishes stays unknown.
    ///
    /// - Parameter timeoutMs: maximum wait for the broker's answer, in milliseconds.
    package func close(timeoutMs: Int = 1_000) {
        guard isOpen else { return }
        (isOpen, isChannelOpen) = (false, false)
        var request = amqp_connection_close_t()
        request.reply_code = UInt16(AMQP_REPLY_SUCCESS)
        guard amqp_send_method(state, 0, Method.connectionClose, &request) == AMQP_STATUS_OK.rawValue else { return }
        let deadlineMs = SystemClock.monotonicMs() + Int64(timeoutMs)
        while true {
            let leftMs = deadlineMs - SystemClock.monotonicMs()
            guard leftMs > 0 else { return }
            do throws(AMQPError) {
                // Everything else is discarded: its tags are void.
                let isClosed = try nextFrame("close") { (frame) throws(AMQPError) in
                    frame.channel == 0 && frame.frame_type == UInt8(AMQP_FRAME_METHOD)
                        && [Method.connectionCloseOK, Method.connectionClose].contains(frame.payload.method.id)
                }
                if isClosed == true { return }
                if isClosed == nil { _ = Poll.wait([descriptor], timeoutMs: Int(leftMs)) }
            } catch { return }
        }
    }

    // MARK: Connecting

    private func openSocket(_ timeoutMs: Int) throws(AMQPError) {
        var limit = AMQPConnection.timeval(ms: timeoutMs)
        let operation = "connect to \(address)"
        let socket: OpaquePointer?
        if address.usesTLS {
            socket = amqp_ssl_socket_new(state)
            guard let socket else { throw AMQPError(.unreachable, operation, "TLS is not available") }
            amqp_ssl_socket_set_verify_peer(socket, address.verifiesCertificate ? 1 : 0)
            amqp_ssl_socket_set_verify_hostname(socket, address.verifiesCertificate ? 1 : 0)
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

    static func timeval(ms: Int) -> Glibc.timeval {
        Glibc.timeval(tv_sec: ms / 1_000, tv_usec: ms % 1_000 * 1_000)
    }
}

/// How much of the content of a delivery is kept.
package struct AMQPBodyLimits: Sendable, Hashable {
    /// A body up to this size is kept whole, in bytes.
    package var wholeBytes: Int
    /// Of a larger body, this much of its beginning is kept, in bytes.
    package var beginningBytes: Int

    /// - Parameters:
    ///   - wholeBytes: a body up to this size is kept whole.
    ///   - beginningBytes: what is kept of a larger body, at most `wholeBytes`.
    package init(wholeBytes: Int = 1 << 20, beginningBytes: Int = 64 << 10) {
        precondition((0...wholeBytes).contains(beginningBytes))
        self.wholeBytes = wholeBytes
        self.beginningBytes = beginningBytes
    }
}
