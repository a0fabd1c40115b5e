import CRabbitMQ

extension AMQPConnection {
    /// Enables publisher confirms on this channel. Publishes are then numbered 1, 2, 3 ...
    ///
    /// - Throws: `AMQPError`.
    package func confirmSelect() throws(AMQPError) {
        _ = try call("confirm.select", Method.confirmSelect) { _ in amqp_confirm_select_t(nowait: 0) }
        nextTag = 1
    }

    /// Writes one message to the socket.
    ///
    /// Call `hasRoom` first: a message that does not fit the socket's buffer blocks this call until the broker reads or
    /// misses its heartbeats.
    ///
    /// - Parameters:
    ///   - exchange: name of the exchange; empty for the default exchange.
    ///   - routingKey: routing key of the message.
    ///   - mandatory: whether the broker returns the message if no queue receives it (`AMQPEvent.returned`).
    ///   - properties: message properties and headers.
    ///   - body: content of the message.
    /// - Returns: the tag of its confirm; 0 while confirms are off.
    /// - Throws: `AMQPError`.
    @discardableResult
    package func publish(
        exchange: String, routingKey: String, mandatory: Bool = false, properties: AMQPProperties, body: [UInt8]
    ) throws(AMQPError) -> UInt64 {
        try checkChannel("publish")
        let arena = Arena()
        var basic = amqp_basic_properties_t()
        basic._flags = PropertyFlag.deliveryMode
        basic.delivery_mode = properties.deliveryMode
        func set(_ text: String?, _ flag: UInt32, _ field: WritableKeyPath<amqp_basic_properties_t, amqp_bytes_t>) {
            guard let text else { return }
            basic._flags |= flag
            basic[keyPath: field] = arena.bytes(text)
        }
        set(properties.contentType, PropertyFlag.contentType, \.content_type)
        set(properties.type, PropertyFlag.type, \.type)
        set(properties.messageID, PropertyFlag.messageID, \.message_id)
        set(properties.userID, PropertyFlag.userID, \.user_id)
        if !properties.headers.isEmpty {
            basic._flags |= PropertyFlag.headers
            basic.headers = arena.table(properties.headers)
        }
        let status = body.withUnsafeBytes { bytes in
            amqp_basic_publish(
                state, channel, arena.bytes(exchange), arena.bytes(routingKey), mandatory ? 1 : 0, 0, &basic,
                amqp_bytes_t(len: bytes.count, bytes: UnsafeMutableRawPointer(mutating: bytes.baseAddress)))
        }
        withExtendedLifetime(arena) {}
        try check(status, "publish")
        guard nextTag > 0 else { return 0 }
        defer { nextTag += 1 }
        return nextTag
    }
}

/// Flags of the properties that a message has (AMQP 0-9-1, 4.2.6.1).
enum PropertyFlag {
    static let contentType = UInt32(AMQP_BASIC_CONTENT_TYPE_FLAG)
    static let headers = UInt32(AMQP_BASIC_HEADERS_FLAG)
    static let deliveryMode = UInt32(AMQP_BASIC_DELIVERY_MODE_FLAG)
    static let messageID = UInt32(AMQP_BASIC_MESSAGE_ID_FLAG)
    static let type = UInt32(AMQP_BASIC_TYPE_FLAG)
    static let userID = UInt32(AMQP_BASIC_USER_ID_FLAG)
}
