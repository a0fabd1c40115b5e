import CRabbitMQ

/// A partially received message: method frame, header frame, then body frames. May span several polls.
struct MessageAssembly {
    enum Kind {
        case delivery(AMQPDelivery)
        case returned(AMQPReturn)
    }
    var kind: Kind?
    /// Remaining bytes of the body; `nil` before the header frame.
    var missing: UInt64?
    var body: [UInt8] = []
}

extension AMQPConnection {
    /// One poll returns bodies up to this size, in bytes, or one larger body. The prefetch limits the number of
    /// deliveries, but each may have 128 MiB. The rest follows with the next poll.
    static let pollBodiesLimitBytes = 16 << 20

    /// Receives the events that have arrived, and sends a heartbeat if one is due. Never blocks.
    ///
    /// - Returns: the events in order, with bodies up to `pollBodiesLimitBytes`.
    /// - Throws: `AMQPError` if the connection is lost; events before the loss are returned first.
    package func poll() throws(AMQPError) -> [AMQPEvent] {
        try checkOpen("poll")
        var events: [AMQPEvent] = []
        var bodies = 0
        do throws(AMQPError) {
            while isOpen, bodies < AMQPConnection.pollBodiesLimitBytes, let event = try nextEvent() {
                guard let event = event.value else { continue }
                if case .delivery(let delivery) = event { bodies += delivery.body.count }
                events.append(event)
            }
        } catch {
            let error = lost(error)
            guard !events.isEmpty else { throw error }
            pendingError = error
        }
        return events
    }

    /// Reads one frame, which may complete an event; `nil` if no frame is available.
    private func nextEvent() throws(AMQPError) -> (value: AMQPEvent?, Void)? {
        // Zeroed: the library does not fill a frame that it does not finish.
        var frame = amqp_frame_t()
        var now = AMQPConnection.timeval(ms: 0)
        let status = amqp_simple_wait_frame_noblock(state, &frame, &now)
        if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
        guard status == AMQP_STATUS_OK.rawValue else {
            throw AMQPError(.connectionLost, "receive", AMQPConnection.text(status))
        }
        // The frame's content has been copied by then. Without a release the buffers grow.
        defer { amqp_maybe_release_buffers(state) }
        if frame.channel == 0 { return (try connectionEvent(frame), ()) }
        // Remaining frames of a closed channel: its tags are invalid.
        guard frame.channel == channel, isChannelOpen else { return (nil, ()) }
        switch frame.frame_type {
        case UInt8(AMQP_FRAME_METHOD): return (try methodEvent(frame.payload.method), ())
        case UInt8(AMQP_FRAME_HEADER): return (try headerEvent(frame.payload.properties), ())
        case UInt8(AMQP_FRAME_BODY): return (try bodyEvent(frame.payload.body_fragment), ())
        default: return (nil, ())
        }
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
            return .consumerCancelled(tag: decoded(method, amqp_basic_cancel_t.self)?.consumer_tag.text ?? "")
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
        guard header.body_size <= AMQPConnection.bodyLimitBytes else { throw protocolError("body over 128 MiB") }
        let basic = header.decoded?.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee
        switch kind {
        case .delivery(var delivery):
            if let basic, basic._flags & PropertyFlag.userID != 0 { delivery.userID = basic.user_id.text }
            if let basic, basic._flags & PropertyFlag.headers != 0 {
                delivery.deliveryCount = AMQPConnection.deliveryCount(basic.headers)
            }
            assembly.kind = .delivery(delivery)
        case .returned(var back):
            if let basic, basic._flags & PropertyFlag.messageID != 0 { back.messageID = basic.message_id.text }
            assembly.kind = .returned(back)
        }
        assembly.missing = header.body_size
        // The declared size is not trusted, but a usual batch fits without a second allocation.
        assembly.body.reserveCapacity(Int(min(header.body_size, 65_536)))
        return finishIfComplete()
    }

    private func bodyEvent(_ fragment: amqp_bytes_t) throws(AMQPError) -> AMQPEvent? {
        guard let missing = assembly.missing, missing >= UInt64(fragment.len) else {
            throw protocolError("body frame without header frame")
        }
        if fragment.len > 0 {
            assembly.body.append(contentsOf: UnsafeRawBufferPointer(start: fragment.bytes, count: fragment.len))
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
            return .delivery(delivery)
        case .returned(let back):
            return .returned(back)
        }
    }

    private func protocolError(_ detail: String) -> AMQPError { AMQPError(.connectionLost, "receive", detail) }

    private func decoded<Method>(_ method: amqp_method_t, _ type: Method.Type) -> Method? {
        method.decoded?.assumingMemoryBound(to: type).pointee
    }

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
            case UInt8(ascii: "l"): return Int(value.i64)
            case UInt8(ascii: "L"): return Int(clamping: value.u64)
            default: return 0
            }
        }
        return 0
    }
}
