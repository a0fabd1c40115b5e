import CRabbitMQ
import Crypto
import Glibc
import LinuxSystem

/// A partially received message: method frame, header frame, then body frames. May span several polls.
struct MessageAssembly {
    enum Kind {
        case delivery(AMQPDelivery)
        /// Of a returned message only the properties are of use: its content is discarded.
        case returned(AMQPReturn)
    }
    var kind: Kind?
    /// Remaining bytes of the body; `nil` before the header frame.
    var missing: UInt64?
    var body: [UInt8] = []
    /// Maximum size of `body`, in bytes.
    var keptBytes = 0
    /// The hash of a body that is not kept whole.
    var hash: SHA256?
    /// Size of the whole body, in bytes.
    var size: UInt64 = 0
}

extension AMQPConnection {
    /// One poll returns bodies up to this size, in bytes, or one larger body. The rest follows with the next poll.
    static let pollBodiesLimitBytes = 16 << 20
    /// Number of frames after which a poll returns, so that a broker that never pauses does not hold its thread.
    static let pollFramesLimit = 8_192
    /// Maximum wait until the broker has read the rejection of a delivery, in milliseconds.
    private static let rejectionTimeoutMs: Int64 = 1_000

    /// Receives the events that have arrived, and sends a heartbeat if one is due. Never blocks.
    ///
    /// - Returns: the events in order, with bodies up to `pollBodiesLimitBytes`. `hasBufferedEvents` tells whether more
    ///   have arrived.
    /// - Throws: `AMQPError` if the connection is lost; events before the loss are returned first.
    package func poll() throws(AMQPError) -> [AMQPEvent] {
        try checkOpen("poll")
        var events = takePendingEvents()
        var bodies = events.reduce(0) { $0 + $1.bodyBytes }
        var frames = 0
        do throws(AMQPError) {
            while isOpen, bodies < AMQPConnection.pollBodiesLimitBytes, frames < AMQPConnection.pollFramesLimit {
                let received = try nextFrame("receive") { (frame) throws(AMQPError) in
                    try event(frame) ?? inspectionEvent(frame)
                }
                guard let received else { break }
                frames += 1
                guard let event = received else { continue }
                bodies += event.bodyBytes
                events.append(event)
            }
        } catch {
            let error = lost(error)
            guard !events.isEmpty else { throw error }
            pendingError = error
        }
        return events
    }

    /// Reads one frame that has arrived, and passes it to `body` before its memory is used again. Sends a heartbeat if
    /// one is due. Never blocks.
    ///
    /// - Returns: the result of `body`; `nil` if no frame has arrived.
    /// - Throws: `AMQPError` of kind `connectionLost`, or the error of `body`.
    func nextFrame<Value>(
        _ operation: String, _ body: (amqp_frame_t) throws(AMQPError) -> Value
    ) throws(AMQPError) -> Value? {
        // Zeroed: the library does not fill a frame that it does not finish.
        var frame = amqp_frame_t()
        var now = AMQPConnection.timeval(ms: 0)
        let status = amqp_simple_wait_frame_noblock(state, &frame, &now)
        if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
        guard status == AMQP_STATUS_OK.rawValue else {
            let rejected = status == AMQP_STATUS_BAD_AMQP_DATA.rawValue ? rejectUndecodable() : nil
            throw AMQPError(.connectionLost, operation, AMQPConnection.text(status) + (rejected ?? ""))
        }
        // Without a release the buffers grow.
        defer { amqp_maybe_release_buffers(state) }
        // The library keeps buffers for each channel number that it has seen.
        guard frame.channel <= lastChannel else { throw protocolError("frame of a channel that was never opened") }
        return try body(frame)
    }

    /// Dead-letters the delivery whose properties the library has just refused. librabbitmq 0.15 refuses a table of more
    /// than 100 levels. The broker would deliver it again after each reconnect.
    ///
    /// - Returns: words for the error; `nil` if no delivery was in progress.
    private func rejectUndecodable() -> String? {
        guard rejectsUndecodable else {
            return ": a message has properties that cannot be decoded; it stays in its queue"
        }
        guard isChannelOpen, case .delivery(let delivery)? = assembly.kind, assembly.missing == nil,
            amqp_basic_reject(state, channel, delivery.tag, 0) == AMQP_STATUS_OK.rawValue
        else { return nil }
        // A connection that ends with unread data is reset, and the broker could lose the rejection. So this side ends
        // first, and the rest is read and discarded.
        shutdown(descriptor, Int32(SHUT_WR))
        let deadlineMs = SystemClock.monotonicMs() + AMQPConnection.rejectionTimeoutMs
        var discarded = [UInt8](repeating: 0, count: 65_536)
        while true {
            let leftMs = deadlineMs - SystemClock.monotonicMs()
            guard leftMs > 0, Poll.wait([descriptor], timeoutMs: Int(leftMs))[0] else { break }
            guard recv(descriptor, &discarded, discarded.count, Int32(MSG_DONTWAIT)) > 0 else { break }
        }
        return ": a delivery has properties that cannot be decoded; it was rejected to the dead-letter exchange"
    }

    /// Converts a frame to an event; `nil` if it completes none.
    func event(_ frame: amqp_frame_t) throws(AMQPError) -> AMQPEvent? {
        if frame.channel == 0 { return try connectionEvent(frame) }
        // Remaining frames of a closed channel: its tags are invalid.
        guard frame.channel == channel, isChannelOpen else { return nil }
        switch frame.frame_type {
        case UInt8(AMQP_FRAME_METHOD): return try methodEvent(frame.payload.method)
        case UInt8(AMQP_FRAME_HEADER): return try headerEvent(frame.payload.properties)
        case UInt8(AMQP_FRAME_BODY): return try bodyEvent(frame.payload.body_fragment)
        default: return nil
        }
    }

    /// Handles the end of the channel of `inspectQueue`, which is no event.
    private func inspectionEvent(_ frame: amqp_frame_t) -> AMQPEvent? {
        if frame.channel == inspectionChannel, frame.channel != 0, frame.frame_type == UInt8(AMQP_FRAME_METHOD),
            frame.payload.method.id == Method.channelClose
        {
            _ = answerChannelClose(frame.payload.method, inspectionChannel)
            inspectionChannel = 0
        }
        return nil
    }

    private func connectionEvent(_ frame: amqp_frame_t) throws(AMQPError) -> AMQPEvent? {
        guard frame.frame_type == UInt8(AMQP_FRAME_METHOD) else { return nil }
        let method = frame.payload.method
        switch method.id {
        case Method.connectionClose:
            let (code, text) = answerConnectionClose(method)
            (isOpen, isChannelOpen) = (false, false)
            pendingError = AMQPError(.connectionClosed(code: code), "receive", "\(code) \(text)")
            return .connectionClosed(code: code, text: text)
        case Method.connectionBlocked:
            return .blocked(reason: decoded(method, amqp_connection_blocked_t.self)?.reason.text ?? "")
        case Method.connectionUnblocked:
            return .unblocked
        default:
            return nil
        }
    }

    private func methodEvent(_ method: amqp_method_t) throws(AMQPError) -> AMQPEvent? {
        guard assembly.kind == nil else { throw protocolError("method frame inside a message") }
        switch method.id {
        case Method.basicAck:
            guard let ack = decoded(method, amqp_basic_ack_t.self) else { return nil }
            return .confirmed(tag: ack.delivery_tag, multiple: ack.multiple != 0)
        case Method.basicNack:
            guard let nack = decoded(method, amqp_basic_nack_t.self) else { return nil }
            return .nacked(tag: nack.delivery_tag, multiple: nack.multiple != 0)
        case Method.basicDeliver:
            guard let deliver = decoded(method, amqp_basic_deliver_t.self) else { return nil }
            guard !consumerPermits.isEmpty else { throw protocolError("a delivery without a consumer") }
            assembly.kind = .delivery(
                AMQPDelivery(
                    tag: deliver.delivery_tag, consumerTag: deliver.consumer_tag.text,
                    routingKey: deliver.routing_key.array,
                    redelivered: deliver.redelivered != 0, userID: nil, deliveryCount: 0, body: []))
            return nil
        case Method.basicReturn:
            guard let back = decoded(method, amqp_basic_return_t.self) else { return nil }
            assembly.kind = .returned(
                AMQPReturn(
                    replyCode: back.reply_code, text: back.reply_text.text, exchange: back.exchange.text,
                    routingKey: back.routing_key.array, messageID: nil))
            return nil
        case Method.basicCancel:
            let tag = decoded(method, amqp_basic_cancel_t.self)?.consumer_tag.text ?? ""
            endPermit(of: tag)
            return .consumerCancelled(tag: tag)
        case Method.channelClose:
            let (code, text) = answerChannelClose(method, channel)
            isChannelOpen = false
            return .channelClosed(code: code, text: text)
        default:
            return nil
        }
    }

    private func headerEvent(
        _ header: amqp_frame_t.__Unnamed_union_payload.__Unnamed_struct_properties
    ) throws(AMQPError) -> AMQPEvent? {
        guard let kind = assembly.kind, assembly.missing == nil else {
            throw protocolError("header frame without method frame")
        }
        guard header.body_size <= AMQPConnection.bodyLimitBytes else { throw protocolError("body over 512 MiB") }
        let basic = header.decoded?.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee
        switch kind {
        case .delivery(var delivery):
            if let basic, basic._flags & PropertyFlag.userID != 0 { delivery.userID = basic.user_id.text }
            // A publisher can set the header too. The broker overwrites it only in a message that it delivers again.
            if let basic, delivery.redelivered, basic._flags & PropertyFlag.headers != 0 {
                delivery.deliveryCount = max(0, AMQPConnection.deliveryCount(basic.headers))
            }
            if let basic, basic._flags & PropertyFlag.headers != 0 {
                delivery.death = AMQPDeath(headers: basic.headers)
            }
            assembly.kind = .delivery(delivery)
            let isWhole = header.body_size <= UInt64(bodyLimits.wholeBytes)
            assembly.keptBytes = isWhole ? bodyLimits.wholeBytes : bodyLimits.beginningBytes
            assembly.hash = isWhole ? nil : SHA256()
        case .returned(var back):
            if let basic, basic._flags & PropertyFlag.messageID != 0 { back.messageID = basic.message_id.text }
            assembly.kind = .returned(back)
        }
        (assembly.missing, assembly.size) = (header.body_size, header.body_size)
        // The declared size is not trusted, but a usual batch fits without a second allocation.
        assembly.body.reserveCapacity(min(Int(header.body_size), assembly.keptBytes, 65_536))
        return finishIfComplete()
    }

    private func bodyEvent(_ fragment: amqp_bytes_t) throws(AMQPError) -> AMQPEvent? {
        guard let missing = assembly.missing, missing >= UInt64(fragment.len) else {
            throw protocolError("body frame without header frame")
        }
        if fragment.len > 0 {
            let bytes = UnsafeRawBufferPointer(start: fragment.bytes, count: fragment.len)
            assembly.body.append(contentsOf: bytes.prefix(assembly.keptBytes - assembly.body.count))
            assembly.hash?.update(bytes)
        }
        assembly.missing = missing - UInt64(fragment.len)
        return finishIfComplete()
    }

    private func finishIfComplete() -> AMQPEvent? {
        guard assembly.missing == 0, let kind = assembly.kind else { return nil }
        defer { assembly = MessageAssembly() }
        switch kind {
        case .delivery(var delivery):
            delivery.body = assembly.body
            delivery.whole = assembly.hash.map { AMQPDelivery.Whole(size: Int(assembly.size), sha256: $0.finish()) }
            return .delivery(delivery)
        case .returned(let back):
            return .returned(back)
        }
    }

    private func protocolError(_ detail: String) -> AMQPError { AMQPError(.connectionLost, "receive", detail) }

    private static func deliveryCount(_ headers: amqp_table_t) -> Int {
        for entry in UnsafeBufferPointer(start: headers.entries, count: Int(headers.num_entries))
        where entry.key.text == "x-delivery-count" {
            let value = entry.value.value
            switch entry.value.kind {
            case UInt8(ascii: "b"): return Int(value.i8)
            case UInt8(ascii: "B"): return Int(value.u8)
            case UInt8(ascii: "s"): return Int(value.i16)
            case UInt8(ascii: "u"): return Int(value.u16)
            case UInt8(ascii: "I"): return Int(value.i32)
            case UInt8(ascii: "i"): return Int(value.u32)
            case UInt8(ascii: "l"): return Int(clamping: value.i64)
            case UInt8(ascii: "L"): return Int(clamping: value.u64)
            default: return 0
            }
        }
        return 0
    }
}
