/// An event from the broker.
package enum AMQPEvent: Sendable {
    /// A message for a consumer.
    case delivery(AMQPDelivery)
    /// Publisher confirm: the broker is responsible for the message with this tag, with `multiple` for all up to it.
    case confirmed(tag: UInt64, multiple: Bool)
    /// Publisher nack: the broker rejected the message with this tag, with `multiple` all up to it.
    case nacked(tag: UInt64, multiple: Bool)
    /// A mandatory message that no queue received. Precedes its confirm.
    case returned(AMQPReturn)
    /// The broker has an alarm and does not read from publishing connections.
    case blocked(reason: String)
    /// The alarm has ended.
    case unblocked
    /// The broker cancelled a consumer: its queue was deleted or lost its leader.
    case consumerCancelled(tag: String)
    /// The broker closed the channel; close-ok has been sent. `openChannel` opens a new one; tags of the old one are
    /// invalid.
    case channelClosed(code: UInt16, text: String)
    /// The broker closed the connection; close-ok has been sent. No more events follow.
    case connectionClosed(code: UInt16, text: String)
}

extension AMQPEvent {
    /// Bytes of content that the event holds.
    var bodyBytes: Int { if case .delivery(let delivery) = self { delivery.body.count } else { 0 } }
}

/// A message for a consumer.
package struct AMQPDelivery: Sendable {
    /// Delivery tag; valid until the channel is closed.
    package var tag: UInt64
    /// Tag of the consumer that `consume` started.
    package var consumerTag: String
    /// Unchanged bytes: may contain zero bytes and invalid UTF-8.
    package var routingKey: [UInt8]
    /// Whether the broker has delivered the message before, to any consumer.
    package var redelivered: Bool
    /// The user, verified by the broker; `nil` if the publisher set none.
    package var userID: String?
    /// Number of earlier deliveries by a quorum queue (header `x-delivery-count`); 0 if absent, and for a message that
    /// is not redelivered: its header is the publisher's.
    package var deliveryCount: Int
    /// Content of the message, or the beginning of a content over the limit of the connection (`AMQPBodyLimits`).
    package var body: [UInt8]
    /// The whole content if `body` is only its beginning; otherwise `nil`.
    package var whole: Whole?

    /// Why the broker moved the message from another queue to this one; `nil` if it did not.
    package var death: AMQPDeath?

    /// Size and hash of a content that was not kept.
    package struct Whole: Sendable, Hashable {
        /// Size, in bytes.
        package let size: Int
        /// SHA-256, 32 bytes.
        package let sha256: [UInt8]
    }
}

/// The last move of a message to a dead-letter exchange, by the header `x-death`. A publisher can forge it.
package struct AMQPDeath: Sendable, Hashable {
    /// `rejected`, `expired`, `maxlen` or `delivery_limit`.
    package let reason: String
    /// Queue that the message came from.
    package let queue: String
    /// Time of the move, in seconds since 1970-01-01 UTC; `nil` if the broker gave none.
    package let timeS: Int64?
}

/// A message that the broker returned because no queue received it.
package struct AMQPReturn: Sendable {
    /// AMQP reply code, for example 312 (no route).
    package var replyCode: UInt16
    /// Text of the reply code, for example `NO_ROUTE`.
    package var text: String
    /// Exchange that the message was published to.
    package var exchange: String
    /// Routing key of the message.
    package var routingKey: [UInt8]
    /// The message's property `message_id`; `nil` if it has none.
    package var messageID: String?
}
