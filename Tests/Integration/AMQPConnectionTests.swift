import AMQP
import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

@Suite
struct AMQPConnectionTests {
    @Test func messagesRoundTripWithConfirmAndAck() throws {
        let (queue, connection) = (Broker.unique("queue"), try Broker.connect())
        try connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        defer { try? Broker.connect().deleteQueue(queue) }
        try connection.confirmSelect()
        // Larger than a frame, so that the body has several frames.
        let bodies = [[], [1, 2, 3], [UInt8](repeating: 7, count: 300_000)]
        let properties = AMQPProperties(
            contentType: "application/cbor", type: "t", messageID: "m", userID: connection.user)
        for (index, body) in bodies.enumerated() {
            let tag = try connection.publish(exchange: "", routingKey: queue, properties: properties, body: body)
            #expect(tag == UInt64(index + 1))
        }
        _ = try connection.events { $0.confirmedUpTo == 3 }
        try connection.qos(prefetch: 10)
        try connection.consume(queue, consumerTag: Broker.unique("consumer"))
        let deliveries = try connection.events { $0.deliveries.count == 3 }.deliveries
        #expect(deliveries.map(\.body) == bodies)
        #expect(deliveries.map(\.routingKey) == Array(repeating: Array(queue.utf8), count: 3))
        #expect(deliveries.allSatisfy { $0.userID == connection.user && !$0.redelivered && $0.deliveryCount == 0 })
        try connection.ack(deliveries[2].tag, multiple: true)
        connection.close()
        let (ready, _) = try Broker.connect().declareQueue(queue, passive: true)
        #expect(ready == 0)
    }

    @Test func unacknowledgedDeliveryIsRedeliveredWithCount() throws {
        let (queue, first) = (Broker.unique("queue"), try Broker.connect())
        try first.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        try first.publish(exchange: "", routingKey: queue, properties: AMQPProperties(), body: [9])
        try first.consume(queue, consumerTag: Broker.unique("consumer"))
        _ = try first.events { $0.deliveries.count == 1 }
        first.close()
        let second = try Broker.connect()
        defer { try? Broker.connect().deleteQueue(queue) }
        try second.consume(queue, consumerTag: Broker.unique("consumer"))
        let delivery = try second.events { $0.deliveries.count == 1 }.deliveries[0]
        #expect(delivery.redelivered && delivery.deliveryCount == 1 && delivery.body == [9])
        // A reject without requeue removes the message.
        try second.reject(delivery.tag, requeue: false)
        second.close()
    }

    @Test func unroutableMessageIsReturnedBeforeItsConfirm() throws {
        let (exchange, connection) = (Broker.unique("exchange"), try Broker.connect())
        try connection.declareExchange(exchange, type: "topic")
        try connection.confirmSelect()
        try connection.publish(
            exchange: exchange, routingKey: "scan.a", mandatory: true, properties: AMQPProperties(messageID: "one"),
            body: [UInt8](repeating: 1, count: 200_000))
        let events = try connection.events { $0.confirmedUpTo == 1 }
        guard case .returned(let back) = try #require(events.first) else {
            Issue.record("the first event is \(events[0])")
            return
        }
        #expect(back.replyCode == 312 && back.messageID == "one" && back.exchange == exchange)
        #expect(back.routingKey == Array("scan.a".utf8))
    }

    @Test func missingExchangeClosesTheChannelOnly() throws {
        let (queue, connection) = (Broker.unique("queue"), try Broker.connect())
        try connection.confirmSelect()
        try connection.publish(exchange: Broker.unique("none"), routingKey: "", properties: AMQPProperties(), body: [])
        let events = try connection.events { !$0.isEmpty }
        guard case .channelClosed(404, _) = try #require(events.last) else {
            Issue.record("the last event is \(events)")
            return
        }
        #expect(!connection.isChannelOpen && connection.isOpen)
        #expect(throws: AMQPError.self) { try connection.ack(1, multiple: false) }
        try connection.openChannel()
        // A rejected call closes the channel as well.
        do {
            try connection.declareQueue(queue, passive: true)
            Issue.record("a missing queue was declared passively")
        } catch {
            #expect(error.kind == .channelClosed(code: 404))
        }
        try connection.openChannel()
        try connection.confirmSelect()
        try connection.declareQueue(queue)
        defer { try? Broker.connect().deleteQueue(queue) }
        #expect(try connection.publish(exchange: "", routingKey: queue, properties: AMQPProperties(), body: []) == 1)
        _ = try connection.events { $0.confirmedUpTo == 1 }
    }

    @Test func foreignUserIDIsRejected() throws {
        let connection = try Broker.connect()
        try connection.publish(exchange: "", routingKey: "x", properties: AMQPProperties(userID: "other"), body: [])
        let events = try connection.events { !$0.isEmpty }
        guard case .channelClosed(406, _) = try #require(events.last) else {
            Issue.record("the last event is \(events)")
            return
        }
    }

    @Test func deletedQueueCancelsItsConsumer() throws {
        let (queue, tag, connection) = (Broker.unique("queue"), Broker.unique("consumer"), try Broker.connect())
        try connection.declareQueue(queue)
        try connection.consume(queue, consumerTag: tag)
        try Broker.connect().deleteQueue(queue)
        let events = try connection.events { !$0.isEmpty }
        guard case .consumerCancelled(tag) = try #require(events.last) else {
            Issue.record("the last event is \(events)")
            return
        }
    }

    @Test func connectErrorsAreDistinguishedInTime() throws {
        let good = try Broker.address()
        func kind(_ url: String, interrupt: Int32 = -1) throws -> AMQPError.Kind? {
            do {
                _ = try AMQPConnection(
                    try AMQPAddress(url: url), loginTimeoutMs: 300, name: "test", interrupt: interrupt)
                return nil
            } catch {
                return error.kind
            }
        }
        #expect(try kind("amqp://unknown:wrong@\(good.host):\(good.port)") == .refused)
        let listener = try LoopbackListener()
        #expect(try kind("amqp://127.0.0.1:\(listener.port)") == .unreachable)
        let stop = StopSignal()
        stop.stop()
        #expect(try kind("amqp://127.0.0.1:\(listener.port)", interrupt: stop.descriptor) == .interrupted)
        listener.end()
        #expect(try kind("amqp://127.0.0.1:\(listener.port)") == .unreachable)
        #expect(try kind("amqps://a:b@no-such-host.invalid") == .unreachable)
    }

    @Test func refusedConnectionNamesHostPortAndCause() throws {
        let listener = try LoopbackListener()
        listener.end()
        let error = try #require(throws: AMQPError.self) {
            try AMQPConnection(try AMQPAddress(url: "amqp://127.0.0.1:\(listener.port)"), name: "test")
        }
        #expect(error.description.contains("127.0.0.1:\(listener.port)"))
        #expect(error.detail == "Connection refused")
    }

    @Test func tlsToPlainPortAndMissingAuthorityFileFail() throws {
        let good = try Broker.address()
        #expect(throws: AMQPError.self) {
            try AMQPConnection(
                try AMQPAddress(url: "amqps://localhost:\(good.port)"), connectTimeoutMs: 1_000, name: "test")
        }
        #expect(throws: AMQPError.self) {
            try AMQPConnection(
                try AMQPAddress(url: "amqps://localhost:\(good.port)/?cacertfile=/none.pem"), name: "test")
        }
    }
}

extension [AMQPEvent] {
    /// All deliveries.
    var deliveries: [AMQPDelivery] {
        compactMap { if case .delivery(let delivery) = $0 { delivery } else { nil } }
    }

    /// The highest confirmed tag.
    var confirmedUpTo: UInt64 {
        compactMap { if case .confirmed(let tag, _) = $0 { tag } else { nil } }.max() ?? 0
    }
}
