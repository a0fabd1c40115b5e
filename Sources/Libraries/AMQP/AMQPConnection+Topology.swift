import CRabbitMQ

/// Exchanges, queues, bindings and consumers. Each call waits for the broker's answer, within the login time-out; one that
/// the broker refuses closes the channel (404 not found, 406 declared with other arguments, 403 not permitted).
extension AMQPConnection {
    /// - Parameter passive: only asks whether it is there; 404 when not.
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

    /// Declares a durable queue, or with `passive` asks for one: 404 when it is not there.
    ///
    /// - Returns: messages ready, and consumers.
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

    package func bindQueue(
        _ queue: String, exchange: String, routingKey: String, arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) {
        _ = try call("bind queue \(queue)") { state, channel, arena in
            amqp_queue_bind(
                state, channel, arena.bytes(queue), arena.bytes(exchange), arena.bytes(routingKey),
                arena.table(arguments))
        }
    }

    package func bindExchange(
        destination: String, source: String, routingKey: String, arguments: [String: AMQPValue] = [:]
    ) throws(AMQPError) {
        _ = try call("bind exchange \(destination)") { state, channel, arena in
            amqp_exchange_bind(
                state, channel, arena.bytes(destination), arena.bytes(source), arena.bytes(routingKey),
                arena.table(arguments))
        }
    }

    package func deleteQueue(_ name: String) throws(AMQPError) {
        _ = try call("delete queue \(name)") { state, channel, arena in
            amqp_queue_delete(state, channel, arena.bytes(name), 0, 0)
        }
    }

    package func deleteExchange(_ name: String) throws(AMQPError) {
        _ = try call("delete exchange \(name)") { state, channel, arena in
            amqp_exchange_delete(state, channel, arena.bytes(name), 0)
        }
    }

    /// Removes what is ready in a queue.
    package func purgeQueue(_ name: String) throws(AMQPError) {
        _ = try call("purge queue \(name)") { state, channel, arena in
            amqp_queue_purge(state, channel, arena.bytes(name))
        }
    }

    /// How many deliveries each later consumer of this channel may hold unacknowledged.
    package func qos(prefetch: UInt16) throws(AMQPError) {
        _ = try call("set prefetch") { state, channel, _ in amqp_basic_qos(state, channel, 0, prefetch, 0) }
    }

    /// Subscribes; deliveries come as events and must be acknowledged.
    ///
    /// - Parameter consumerTag: never used before: RabbitMQ 3.10 can leave messages of a quorum queue undelivered when a
    ///   consumer tag comes back.
    package func consume(_ queue: String, consumerTag: String, arguments: [String: AMQPValue] = [:]) throws(AMQPError) {
        _ = try call("consume \(queue)") { state, channel, arena in
            amqp_basic_consume(
                state, channel, arena.bytes(queue), arena.bytes(consumerTag), 0, 0, 0, arena.table(arguments))
        }
    }

    /// Ends a subscription; deliveries on their way may still come as events.
    package func cancel(consumerTag: String) throws(AMQPError) {
        _ = try call("cancel consumer") { state, channel, arena in
            amqp_basic_cancel(state, channel, arena.bytes(consumerTag))
        }
    }

    /// Acknowledges a delivery of the present channel, or with `multiple` all up to it. Only sends.
    package func ack(_ tag: UInt64, multiple: Bool) throws(AMQPError) {
        try checkChannel("ack")
        try check(amqp_basic_ack(state, channel, tag, multiple ? 1 : 0), "ack")
    }

    /// Without `requeue` the delivery goes to the queue's dead-letter exchange. Only sends.
    package func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        try checkChannel("reject")
        try check(amqp_basic_reject(state, channel, tag, requeue ? 1 : 0), "reject")
    }
}
