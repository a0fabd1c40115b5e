/// A value of an AMQP table: queue arguments, message headers, capabilities.
package enum AMQPValue: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    case text(String)
    case int(Int64)
    case bool(Bool)
    case table([String: AMQPValue])

    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Properties of a published message; `nil` if absent.
package struct AMQPProperties: Sendable, Hashable {
    package var contentType: String?
    package var type: String?
    package var messageID: String?
    /// The broker rejects a message whose user differs from the user of the connection.
    package var userID: String?
    /// 1 transient, 2 persistent.
    package var deliveryMode: UInt8
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
