import CRabbitMQ
import LinuxSystem

/// The handshake of AMQP 0-9-1 (2.2.4), method by method: the library's own login waits without a limit of memory.
extension AMQPConnection {
    /// What a broker permits for the connection.
    struct Tuning: Equatable {
        /// The highest number of a channel.
        let channelMax: UInt16
        /// Maximum frame size, in bytes.
        let frameMax: UInt32
        /// Heartbeat interval, in seconds; 0 disables heartbeats.
        let heartbeatS: UInt16

        /// Agrees to the smaller value of both sides. An offer of 0 is no limit.
        ///
        /// The frame size of the client is the upper limit: the stack of a connection's thread was measured with it.
        init(offered: amqp_connection_tune_t, heartbeatS: Int) {
            let wanted = UInt16(clamping: heartbeatS)
            channelMax = offered.channel_max == 0 ? .max : offered.channel_max
            let ownMax = UInt32(AMQPConnection.frameMaxBytes)
            frameMax = offered.frame_max == 0 ? ownMax : min(offered.frame_max, ownMax)
            self.heartbeatS = offered.heartbeat == 0 ? wanted : min(offered.heartbeat, wanted)
        }
    }

    /// Logs in to the virtual host.
    ///
    /// - Throws: `AMQPError`: `refused` for a rejected user, password or virtual host, otherwise `unreachable`.
    func login(_ heartbeatS: Int, _ name: String) throws(AMQPError) {
        let operation = "log in to \(address)"
        do throws(AMQPError) {
            try check(amqp_send_header(state), operation)
            try answer(operation, Method.connectionStart, on: 0) { (start) throws(AMQPError) in
                product = AMQPConnection.product(in: start.server_properties)
                try check(start, operation)
            }
            try send(operation, Method.connectionStartOK, on: 0) { arena in startOK(name, arena) }
            let tuning = try answer(operation, Method.connectionTune, on: 0) { (tune) throws(AMQPError) in
                Tuning(offered: tune, heartbeatS: heartbeatS)
            }
            guard tuning.frameMax >= UInt32(AMQPConnection.frameMinBytes) else {
                throw AMQPError(.unreachable, operation, "the broker requires frames under 4096 bytes")
            }
            try check(
                amqp_tune_connection(
                    state, Int32(tuning.channelMax), Int32(tuning.frameMax), Int32(tuning.heartbeatS)), operation)
            try send(operation, Method.connectionTuneOK, on: 0) { _ in
                amqp_connection_tune_ok_t(
                    channel_max: tuning.channelMax, frame_max: tuning.frameMax, heartbeat: tuning.heartbeatS)
            }
            _ = try roundTrip(operation, Method.connectionOpen, on: 0) { arena in
                var open = amqp_connection_open_t()
                open.virtual_host = arena.bytes(address.virtualHost)
                open.insist = 1
                return open
            }
        } catch {
            // 403 access refused, 530 not allowed (virtual host).
            let refused = error.replyCode == 403 || error.replyCode == 530
            throw AMQPError(refused ? .refused : .unreachable, operation, error.detail)
        }
    }

    /// Checks the protocol version and the offered mechanisms.
    private func check(_ start: amqp_connection_start_t, _ operation: String) throws(AMQPError) {
        guard start.version_major == 0, start.version_minor == 9 else {
            throw AMQPError(.unreachable, operation, "the broker does not speak AMQP 0-9-1")
        }
        guard start.mechanisms.text.split(separator: " ").contains(where: { $0 == mechanism }) else {
            throw AMQPError(.unreachable, operation, "the broker does not offer the login mechanism \(mechanism)")
        }
    }

    /// The SASL mechanism.
    private var mechanism: String { address.logsInByCertificate ? "EXTERNAL" : "PLAIN" }
    /// What the mechanism sends first: user and password (RFC 4616), or the user that the certificate must name (RFC
    /// 4422, appendix A).
    private var response: [UInt8] {
        if address.logsInByCertificate { return Array(address.user.utf8) }
        return [0] + Array(address.user.utf8) + [0] + Array(address.password.utf8)
    }

    private func startOK(_ name: String, _ arena: Arena) -> amqp_connection_start_ok_t {
        var start = amqp_connection_start_ok_t()
        start.client_properties = arena.table([
            "connection_name": .text(name),
            "product": "Tapline",
            // Without the first two the broker reports neither alarms nor deleted queues.
            "capabilities": .table([
                "connection.blocked": true, "consumer_cancel_notify": true, "authentication_failure_close": true,
                "basic.nack": true, "publisher_confirms": true, "exchange_exchange_bindings": true,
            ]),
        ])
        start.mechanism = arena.bytes(mechanism)
        start.response = arena.bytes(response)
        start.locale = arena.bytes("en_US")
        return start
    }
}
