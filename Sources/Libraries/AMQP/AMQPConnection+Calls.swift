import CRabbitMQ
import Glibc
import LinuxSystem

/// A method of a client and its answer: `Request` and `Reply` are their fields.
struct Call<Request, Reply>: Sendable {
    let request: UInt32
    let reply: UInt32
}

/// Calls that wait for the broker's answer, and the conversion of failures to `AMQPError`.
///
/// The calls of librabbitmq are not used: while they wait for an answer, the library queues each other frame without a
/// limit. Here the other frames become events of the next poll, within limits.
extension AMQPConnection {
    /// Maximum number of events that are kept during a call. A broker that sends more violates the protocol.
    static let pendingEventsLimit = 65_536
    /// Maximum size of the bodies that are kept during a call, in bytes. A delivery above it is returned to its queue.
    static let pendingBodiesLimitBytes = 64 << 20
    /// Interval at which a waiting call lets the library send a heartbeat, in milliseconds.
    private static let heartbeatCheckMs: Int64 = 250
    /// Number of frames between two checks of `interrupt` while frames arrive without a pause.
    private static let framesPerCheck = 256

    /// Calls a method on the open channel.
    ///
    /// - Parameters:
    ///   - operation: name of the call, for the error.
    ///   - method: the method.
    ///   - fields: returns the fields of the method. They may point into the arena.
    /// - Returns: the fields of the answer. Their pointers are void.
    /// - Throws: `AMQPError`.
    func call<Request, Reply>(
        _ operation: String, _ method: Call<Request, Reply>, _ fields: (Arena) -> Request
    ) throws(AMQPError) -> Reply {
        try checkChannel(operation)
        return try roundTrip(operation, method, on: channel, fields)
    }

    /// Calls a method on any channel that is open or being opened.
    func roundTrip<Request, Reply>(
        _ operation: String, _ method: Call<Request, Reply>, on channel: UInt16, _ fields: (Arena) -> Request
    ) throws(AMQPError) -> Reply {
        try send(operation, method.request, on: channel, fields)
        return try answer(operation, method, on: channel) { (reply) throws(AMQPError) in reply }
    }

    /// Sends a method, and waits for nothing.
    func send<Request>(
        _ operation: String, _ method: UInt32, on channel: UInt16, _ fields: (Arena) -> Request
    ) throws(AMQPError) {
        let arena = Arena()
        var request = fields(arena)
        let status = withUnsafeMutablePointer(to: &request) { amqp_send_method(state, channel, method, $0) }
        withExtendedLifetime(arena) {}
        try check(status, operation)
    }

    /// Waits for the answer of a method that was sent.
    ///
    /// Each body frame that arrives before it prolongs the wait, because the broker sends the frames in order.
    ///
    /// - Parameter read: receives the fields of the answer, whose pointers are valid during the call.
    /// - Throws: `AMQPError`.
    func answer<Request, Reply, Value>(
        _ operation: String, _ method: Call<Request, Reply>, on channel: UInt16,
        _ read: (Reply) throws(AMQPError) -> Value
    ) throws(AMQPError) -> Value {
        do throws(AMQPError) {
            var deadlineMs = SystemClock.monotonicMs() + Int64(answerTimeoutMs)
            var frames = 0
            while true {
                let received = try nextFrame(operation) { (frame) throws(AMQPError) in
                    try receive(frame, during: operation, awaiting: method, on: channel, read)
                }
                frames += 1
                let nowMs = SystemClock.monotonicMs()
                switch received {
                case .answer(let value): return value
                case .body: deadlineMs = nowMs + Int64(answerTimeoutMs)
                case .other, nil: break
                }
                let leftMs = deadlineMs - nowMs
                guard leftMs > 0 else { throw AMQPError(.timedOut, operation, "no answer of the broker") }
                if received == nil {
                    let waitMs = min(leftMs, AMQPConnection.heartbeatCheckMs)
                    _ = Poll.wait([descriptor] + (interrupt >= 0 ? [interrupt] : []), timeoutMs: Int(waitMs))
                } else if frames % AMQPConnection.framesPerCheck != 0 {
                    continue
                }
                if isInterrupted { throw AMQPError(.interrupted, operation, "stopped") }
            }
        } catch {
            // The end of another channel leaves the open one as it is.
            throw error.isChannelOnly && channel != self.channel ? error : lost(error)
        }
    }

    /// What a frame is for a waiting call.
    private enum Received<Value> {
        case answer(Value)
        /// A part of a message.
        case body
        case other
    }

    private func receive<Request, Reply, Value>(
        _ frame: amqp_frame_t, during operation: String, awaiting method: Call<Request, Reply>, on channel: UInt16,
        _ read: (Reply) throws(AMQPError) -> Value
    ) throws(AMQPError) -> Received<Value> {
        if frame.channel == channel, frame.frame_type == UInt8(AMQP_FRAME_METHOD), !isInsideMessage(frame),
            frame.payload.method.id == method.reply
        {
            guard let reply = decoded(frame.payload.method, Reply.self) else {
                throw AMQPError(.connectionLost, operation, "the answer has no fields")
            }
            return .answer(try read(reply))
        }
        if let event = try event(frame) {
            switch event {
            case .connectionClosed(let code, let text):
                throw AMQPError(.connectionClosed(code: code), operation, "\(code) \(text)")
            case .channelClosed(let code, let text) where channel == frame.channel:
                throw AMQPError(.channelClosed(code: code), operation, "\(code) \(text)")
            default: try keep(event)
            }
        } else if frame.channel == channel, frame.channel != self.channel, channel != 0 {
            // The channel is being opened, or is the one of `inspectQueue`: nothing else arrives on it.
            try checkNotClosed(frame, operation)
        }
        return frame.frame_type == UInt8(AMQP_FRAME_BODY) ? .body : .other
    }

    /// Whether a frame interrupts a message of the open channel, which violates the protocol.
    private func isInsideMessage(_ frame: amqp_frame_t) -> Bool { assembly.kind != nil && frame.channel == channel }

    /// Throws if the frame closes its channel.
    private func checkNotClosed(_ frame: amqp_frame_t, _ operation: String) throws(AMQPError) {
        guard frame.frame_type == UInt8(AMQP_FRAME_METHOD), frame.payload.method.id == Method.channelClose else {
            return
        }
        let (code, text) = answerChannelClose(frame.payload.method, frame.channel)
        throw AMQPError(.channelClosed(code: code), operation, "\(code) \(text)")
    }

    /// Keeps an event for the next poll.
    private func keep(_ event: AMQPEvent) throws(AMQPError) {
        if case .delivery(let delivery) = event {
            let bytes = pendingBodyBytes + delivery.body.count
            if bytes <= AMQPConnection.pendingBodiesLimitBytes {
                pendingBodyBytes = bytes
                pendingDeliveries += 1
                pendingEvents.append(event)
            } else {
                // The prefetch permits it, so an honest broker sends it, and would do so after each reconnect. It
                // delivers the message again.
                try reject(delivery.tag, requeue: true)
                requeuedDeliveries += 1
            }
        } else {
            pendingEvents.append(event)
        }
        guard pendingEvents.count <= AMQPConnection.pendingEventsLimit, pendingDeliveries <= permittedDeliveries,
            requeuedDeliveries <= AMQPConnection.pendingEventsLimit
        else { throw AMQPError(.connectionLost, "receive", "the broker sends more than was asked for") }
    }

    /// Ends the permission of a consumer with the next poll: its deliveries may be among the kept events.
    func endPermit(of consumerTag: String) {
        if consumerPermits[consumerTag] != nil { cancelledConsumers.insert(consumerTag) }
    }

    /// Takes the kept events. The permission of cancelled consumers ends with them.
    func takePendingEvents() -> [AMQPEvent] {
        defer {
            pendingEvents = []
            (pendingDeliveries, pendingBodyBytes, requeuedDeliveries) = (0, 0, 0)
            for tag in cancelledConsumers { consumerPermits[tag] = nil }
            cancelledConsumers = []
        }
        return pendingEvents
    }

    /// Drops the kept events of a channel that was closed. Those of the connection stay.
    func forgetChannelEvents() {
        (pendingDeliveries, pendingBodyBytes, requeuedDeliveries) = (0, 0, 0)
        pendingEvents = pendingEvents.filter {
            switch $0 {
            case .blocked, .unblocked: true
            default: false
            }
        }
    }

    /// Checks the result of a call that only sends.
    func check(_ status: Int32, _ operation: String) throws(AMQPError) {
        guard status != AMQP_STATUS_OK.rawValue else { return }
        throw lost(AMQPError(.connectionLost, operation, AMQPConnection.text(status)))
    }

    func checkOpen(_ operation: String) throws(AMQPError) {
        if let error = pendingError { throw error }
        guard isOpen else { throw AMQPError(.connectionLost, operation, "the connection is closed") }
    }

    func checkChannel(_ operation: String) throws(AMQPError) {
        try checkOpen(operation)
        guard isChannelOpen else { throw AMQPError(.channelClosed(code: 0), operation, "the channel is closed") }
    }

    /// Whether `interrupt` is readable.
    var isInterrupted: Bool { interrupt >= 0 && Poll.wait([interrupt], timeoutMs: 0)[0] }

    /// Marks the channel or the connection as closed and returns the error.
    func lost(_ error: AMQPError) -> AMQPError {
        if error.isChannelOnly { isChannelOpen = false } else { (isOpen, isChannelOpen) = (false, false) }
        return error
    }

    func answerConnectionClose(_ method: amqp_method_t) -> (code: UInt16, text: String) {
        guard let close = decoded(method, amqp_connection_close_t.self) else { return (0, "") }
        let result = (close.reply_code, close.reply_text.text)
        var answer = amqp_connection_close_ok_t()
        _ = amqp_send_method(state, 0, Method.connectionCloseOK, &answer)
        return result
    }

    func answerChannelClose(_ method: amqp_method_t, _ channel: UInt16) -> (code: UInt16, text: String) {
        guard let close = decoded(method, amqp_channel_close_t.self) else { return (0, "") }
        let result = (close.reply_code, close.reply_text.text)
        var answer = amqp_channel_close_ok_t()
        _ = amqp_send_method(state, channel, Method.channelCloseOK, &answer)
        return result
    }

    func decoded<Fields>(_ method: amqp_method_t, _ type: Fields.Type) -> Fields? {
        method.decoded?.assumingMemoryBound(to: type).pointee
    }

    static func text(_ status: Int32) -> String { String(cString: amqp_error_string2(status)) }
}
