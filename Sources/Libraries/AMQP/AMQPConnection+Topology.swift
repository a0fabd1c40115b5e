import CRabbitMQ

/// Exchanges, queues, bindings and consumers.
///
/// Each call waits for the broker's answer, at most for the login time-out. A rejected call throws `channelClosed` and
/// closes the channel (404 not found, 406 declared with other arguments, 403 not permitted).
extension AMQPConnection {
    /// Declares an exchange.
    ///
    /// - Parameters:
    ///   - name: name of the exchange.
    ///   - type: `direct`, `topic`, `fanout`, or a type of a plug-in.
    ///   - durable: whether the exchange survives a restart of the broker.
    ///   - isInternal: whether only other exchanges can publish to it.
    ///   - passive: only checks that the exchange exists; 404 if not.
    ///   - arguments: further arguments.
    /// - Throws: `AMQPError`.
    package func declareExchange(
        _ name: String, type: String = "", durable: Bool = true, internal isInternal: Bool = false,
        passive: Bool = false,
        arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) {
        _ = try call("declare exchange \(name)") { state, channel, arena in
            amqp_exchange_declare(
                state, channel, arena.bytes(name), arena.bytes(type), passive ? 1 : 0, durable ? 1 : 0, 0,
                isInternal ? 1 : 0, arena.table(arguments))
        }
    }

    /// Declares a queue.
    ///
    /// - Parameters:
    ///   - name: name of the queue.
    ///   - durable: whether the queue survives a restart of the broker.
    ///   - passive: only checks that the queue exists; 404 if not.
    ///   - arguments: for example `x-queue-type`.
    /// - Returns: number of ready messages and number of consumers.
    /// - Throws: `AMQPError`.
    @discardableResult
    package func declareQueue(
        _ name: String, durable: Bool = true, passive: Bool = false, arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) -> (messages: Int, consumers: Int) {
        let reply = try call("declare queue \(name)") { state, channel, arena in
            amqp_queue_declare(
                state, channel, arena.bytes(name), passive ? 1 : 0, durable ? 1 : 0, 0, 0, arena.table(arguments))
        }
        return (Int(reply.message_count), Int(reply.consumer_count))
    }

    /// Binds a queue to an exchange.
    ///
    /// - Parameters:
    ///   - queue: name of the queue.
    ///   - exchange: name of the source exchange.
    ///   - routingKey: binding key.
    ///   - arguments: further arguments.
    /// - Throws: `AMQPError`.
    package func bindQueue(
        _ queue: String, exchange: String, routingKey: String, arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) {
        _ = try call("bind queue \(queue)") { state, channel, arena in
            amqp_queue_bind(
                state, channel, arena.bytes(queue), arena.bytes(exchange), arena.bytes(routingKey),
                arena.table(arguments))
        }
    }

    /// Binds an exchange to another exchange.
    ///
    /// - Parameters:
    ///   - destination: name of the exchange that receives the messages.
    ///   - source: name of the exchange that they come from.
    ///   - routingKey: binding key.
    ///   - arguments: further arguments.
    /// - Throws: `AMQPError`.
    package func bindExchange(
        destination: String, source: String, routingKey: String, arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) {
        _ = try call("bind exchange \(destination)") { state, channel, arena in
            amqp_exchange_bind(
                state, channel, arena.bytes(destination), arena.bytes(source), arena.bytes(routingKey),
                arena.table(arguments))
        }
    }

    /// Deletes a queue with its messages.
    ///
    /// - Throws: `AMQPError`.
    package func deleteQueue(_ name: String) throws(AMQPError) {
        _ = try call("delete queue \(name)") { state, channel, arena in
            amqp_queue_delete(state, channel, arena.bytes(name), 0, 0)
        }
    }

    /// Sets the maximum number of unacknowledged deliveries of each later consumer of this channel.
    ///
    /// - Parameter prefetch: number of deliveries; 0 is unlimited.
    /// - Throws: `AMQPError`.
    package func qos(prefetch: UInt16) throws(AMQPError) {
        _ = try call("set prefetch") { state, channel, _ in amqp_basic_qos(state, channel, 0, prefetch, 0) }
    }

    /// Subscribes to a queue. Deliveries arrive as events and must be acknowledged.
    ///
    /// - Parameters:
    ///   - queue: name of the queue.
    ///   - consumerTag: a tag that was never used before: RabbitMQ 3.10 can leave messages of a quorum queue
    ///     undelivered if a consumer tag is reused.
    ///   - arguments: for example `x-priority`.
    /// - Throws: `AMQPError`.
    package func consume(_ queue: String, consumerTag: String, arguments: [String: AMQPValue] = [:]) throws(AMQPError) {
        _ = try call("consume \(queue)") { state, channel, arena in
            amqp_basic_consume(
                state, channel, arena.bytes(queue), arena.bytes(consumerTag), 0, 0, 0, arena.table(arguments))
        }
    }

    /// Cancels a subscription. Deliveries in transit may still arrive as events.
    ///
    /// - Throws: `AMQPError`.
    package func cancel(consumerTag: String) throws(AMQPError) {
        _ = try call("cancel consumer") { state, channel, arena in
            amqp_basic_cancel(state, channel, arena.bytes(consumerTag))
        }
    }

    /// Acknowledges a delivery of the open channel. Only sends.
    ///
    /// - Parameters:
    ///   - tag: delivery tag.
    ///   - multiple: also acknowledges all earlier deliveries of the channel.
    /// - Throws: `AMQPError`.
    package func ack(_ tag: UInt64, multiple: Bool) throws(AMQPError) {
        try checkChannel("ack")
        try check(amqp_basic_ack(state, channel, tag, multiple ? 1 : 0), "ack")
    }

    /// Rejects a delivery of the open channel. Only sends.
    ///
    /// - Parameters:
    ///   - tag: delivery tag.
    ///   - requeue: whether the broker delivers the message again; otherwise it goes to the queue's dead-letter
    ///     exchange.
    /// - Throws: `AMQPError`.
    package func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        try checkChannel("reject")
        try check(amqp_basic_reject(state, channel, tag, requeue ? 1 : 0), "reject")
    }
}
