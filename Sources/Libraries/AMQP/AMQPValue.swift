/// A value of an AMQP table: queue arguments, message headers, capabilities.
package enum AMQPValue: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    /// A long string in UTF-8.
    case text(String)
    /// A signed integer of 64 bits.
    case int(Int64)
    /// A Boolean.
    case bool(Bool)
    /// A nested table.
    case table([String: AMQPValue])

    /// Creates a text from a literal.
    package init(stringLiteral value: String) { self = .text(value) }
    /// Creates an integer from a literal.
    package init(integerLiteral value: Int64) { self = .int(value) }
    /// Creates a Boolean from a literal.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Properties of a published message; `nil` if absent.
package struct AMQPProperties: Sendable, Hashable {
    /// MIME type of the body.
    package var contentType: String?
    /// Application-defined type of the message.
    package var type: String?
    /// Application-defined ID of the message.
    package var messageID: String?
    /// The broker rejects a message whose user differs from the user of the connection.
    package var userID: String?
    /// 1 transient, 2 persistent.
    package var deliveryMode: UInt8
    /// Application-defined headers, by name.
    package var headers: [String: AMQPValue]

    /// - Parameters:
    ///   - contentType: MIME type of the body.
    ///   - type: application-defined type of the message.
    ///   - messageID: application-defined ID of the message.
    ///   - userID: user of the connection; the broker rejects any other.
    ///   - deliveryMode: 1 transient, 2 persistent.
    ///   - headers: application-defined headers.
    package init(
        contentType: String? = nil, type: String? = nil, messageID: String? = nil, userID: String? = nil,
        deliveryMode: UInt8 = 2, headers: [String: AMQPValue] = [:]
    ) {
        self.contentType = contentType
        self.type = type
        self.messageID = messageID
        self.userID = userID
        self.deliveryMode = deliveryMode
        self.headers = headers
    }
}
