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
        _ = try call("declare exchange \(name)", Method.exchangeDeclare) { arena in
            amqp_exchange_declare_t(
                ticket: 0, exchange: arena.bytes(name), type: arena.bytes(type), passive: passive ? 1 : 0,
                durable: durable ? 1 : 0, auto_delete: 0, internal: isInternal ? 1 : 0, nowait: 0,
                arguments: arena.table(arguments))
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
        let reply = try call("declare queue \(name)", Method.queueDeclare) { arena in
            AMQPConnection.declaration(name, durable: durable, passive: passive, arguments: arguments, arena)
        }
        return (Int(reply.message_count), Int(reply.consumer_count))
    }

    /// Reads the number of ready messages and of consumers of an existing queue.
    ///
    /// On a separate channel: the answer does not wait behind the deliveries of the open channel, and a missing queue
    /// does not close it.
    ///
    /// - Parameter name: name of the queue.
    /// - Throws: `AMQPError`: `channelClosed` with 404 if the queue does not exist.
    package func inspectQueue(_ name: String) throws(AMQPError) -> (messages: Int, consumers: Int) {
        let operation = "inspect queue \(name)"
        try checkOpen(operation)
        if inspectionChannel == 0 { inspectionChannel = try openNextChannel(operation) }
        do throws(AMQPError) {
            let reply = try roundTrip(operation, Method.queueDeclare, on: inspectionChannel) { arena in
                AMQPConnection.declaration(name, durable: true, passive: true, arguments: [:], arena)
            }
            return (Int(reply.message_count), Int(reply.consumer_count))
        } catch {
            if error.isChannelOnly { inspectionChannel = 0 }
            throw error
        }
    }

    private static func declaration(
        _ name: String, durable: Bool, passive: Bool, arguments: [String: AMQPValue], _ arena: Arena
    ) -> amqp_queue_declare_t {
        amqp_queue_declare_t(
            ticket: 0, queue: arena.bytes(name), passive: passive ? 1 : 0, durable: durable ? 1 : 0, exclusive: 0,
            auto_delete: 0, nowait: 0, arguments: arena.table(arguments))
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
        _ = try call("bind queue \(queue)", Method.queueBind) { arena in
            amqp_queue_bind_t(
                ticket: 0, queue: arena.bytes(queue), exchange: arena.bytes(exchange),
                routing_key: arena.bytes(routingKey), nowait: 0, arguments: arena.table(arguments))
        }
    }

    /// Removes the binding of a queue to an exchange. A binding that does not exist is no error.
    ///
    /// - Parameters:
    ///   - queue: name of the queue.
    ///   - exchange: name of the source exchange.
    ///   - routingKey: binding key.
    /// - Throws: `AMQPError`.
    package func unbindQueue(_ queue: String, exchange: String, routingKey: String) throws(AMQPError) {
        _ = try call("unbind queue \(queue)", Method.queueUnbind) { arena in
            amqp_queue_unbind_t(
                ticket: 0, queue: arena.bytes(queue), exchange: arena.bytes(exchange),
                routing_key: arena.bytes(routingKey), arguments: arena.table([:]))
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
        _ = try call("bind exchange \(destination)", Method.exchangeBind) { arena in
            amqp_exchange_bind_t(
                ticket: 0, destination: arena.bytes(destination), source: arena.bytes(source),
                routing_key: arena.bytes(routingKey), nowait: 0, arguments: arena.table(arguments))
        }
    }

    /// Removes the binding of an exchange to another exchange. A binding that does not exist is no error.
    ///
    /// - Parameters:
    ///   - destination: name of the exchange that receives the messages.
    ///   - source: name of the exchange that they come from.
    ///   - routingKey: binding key.
    /// - Throws: `AMQPError`.
    package func unbindExchange(destination: String, source: String, routingKey: String) throws(AMQPError) {
        _ = try call("unbind exchange \(destination)", Method.exchangeUnbind) { arena in
            amqp_exchange_unbind_t(
                ticket: 0, destination: arena.bytes(destination), source: arena.bytes(source),
                routing_key: arena.bytes(routingKey), nowait: 0, arguments: arena.table([:]))
        }
    }

    /// Deletes a queue with its messages.
    ///
    /// - Throws: `AMQPError`.
    package func deleteQueue(_ name: String) throws(AMQPError) {
        _ = try call("delete queue \(name)", Method.queueDelete) { arena in
            amqp_queue_delete_t(ticket: 0, queue: arena.bytes(name), if_unused: 0, if_empty: 0, nowait: 0)
        }
    }

    /// Sets the maximum number of unacknowledged deliveries of each later consumer of this channel.
    ///
    /// - Parameter prefetch: number of deliveries; 0 is unlimited.
    /// - Throws: `AMQPError`.
    package func qos(prefetch: UInt16) throws(AMQPError) {
        _ = try call("set prefetch", Method.basicQos) { _ in
            amqp_basic_qos_t(prefetch_size: 0, prefetch_count: prefetch, global: 0)
        }
        self.prefetch = Int(prefetch)
    }

    /// Subscribes to a queue. Deliveries arrive as events and must be acknowledged.
    ///
    /// - Parameters:
    ///   - queue: name of the queue.
    ///   - consumerTag: a tag that was never used before: RabbitMQ 3.10 can leave messages of a quorum queue
    ///     undelivered if a consumer tag is reused.
    /// - Throws: `AMQPError`.
    package func consume(_ queue: String, consumerTag: String) throws(AMQPError) {
        try consume([(queue, consumerTag)])
    }

    /// Subscribes to several queues.
    ///
    /// All subscriptions are sent before the first answer is awaited. The broker answers in order, so almost no
    /// delivery of the first queue comes before the last answer.
    ///
    /// - Parameter subscriptions: names of the queues, and a new consumer tag for each.
    /// - Throws: `AMQPError`.
    package func consume(_ subscriptions: [(queue: String, consumerTag: String)]) throws(AMQPError) {
        for (queue, tag) in subscriptions {
            try checkChannel("consume \(queue)")
            // Without a limit of the broker, only the limit of a call remains.
            cancelledConsumers.remove(tag)
            consumerPermits[tag] = prefetch > 0 ? prefetch : AMQPConnection.pendingEventsLimit
            try send("consume \(queue)", Method.basicConsume.request, on: channel) { arena in
                amqp_basic_consume_t(
                    ticket: 0, queue: arena.bytes(queue), consumer_tag: arena.bytes(tag), no_local: 0, no_ack: 0,
                    exclusive: 0, nowait: 0, arguments: arena.table([:]))
            }
        }
        for (queue, _) in subscriptions {
            _ = try answer("consume \(queue)", Method.basicConsume, on: channel) { (reply) throws(AMQPError) in reply }
        }
    }

    /// Cancels a subscription. Deliveries that arrive before the answer are events of the next poll.
    ///
    /// - Throws: `AMQPError`.
    package func cancel(consumerTag: String) throws(AMQPError) {
        _ = try call("cancel consumer", Method.basicCancelCall) { arena in
            amqp_basic_cancel_t(consumer_tag: arena.bytes(consumerTag), nowait: 0)
        }
        endPermit(of: consumerTag)
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
