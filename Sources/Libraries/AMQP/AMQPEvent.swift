/// What the broker sent, in the order in which it came.
package enum AMQPEvent: Sendable {
    case delivery(AMQPDelivery)
    /// Publisher confirm: the broker has taken responsibility for this tag, or with `multiple` for all up to it.
    case confirmed(tag: UInt64, multiple: Bool)
    /// Publisher nack: the broker could not take it.
    case refused(tag: UInt64, multiple: Bool)
    /// A mandatory message that no queue wanted. Comes before its confirm.
    case returned(AMQPReturn)
    /// The broker has an alarm and will not read from a connection that publishes.
    case blocked(reason: String)
    case unblocked
    /// The broker ended a consumer: its queue was deleted, or lost its leader.
    case consumerCancelled(tag: String)
    /// The broker closed the channel; close-ok has been sent. `openChannel` gives a new one; tags of the old one are void.
    case channelClosed(code: UInt16, text: String)
    /// The broker closed the connection; close-ok has been sent, and nothing more will come.
    case connectionClosed(code: UInt16, text: String)
}

/// A message for a consumer.
package struct AMQPDelivery: Sendable {
    /// Counts within one channel; void once that is closed.
    package var tag: UInt64
    package var consumerTag: String
    /// As it came: it may hold zero bytes and broken UTF-8.
    package var routingKey: [UInt8]
    package var exchange: String
    package var redelivered: Bool
    /// The user that the broker has checked; nil when the publisher gave none.
    package var userID: String?
    /// How often a quorum queue has delivered this before (header `x-delivery-count`); 0 when absent.
    package var deliveryCount: Int
    package var body: [UInt8]
}

/// A message that came back.
package struct AMQPReturn: Sendable {
    package var replyCode: UInt16
    package var text: String
    package var exchange: String
    package var routingKey: [UInt8]
    package var messageID: String?
}
