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

/// Properties of a message that is published; nil: absent.
package struct AMQPProperties: Sendable, Hashable {
    package var contentType: String?
    package var type: String?
    package var messageID: String?
    /// Checked by the broker against the user of the connection.
    package var userID: String?
    /// 2: persistent.
    package var deliveryMode: UInt8
    package var headers: [String: AMQPValue]

    package init(
        contentType: String? = nil, type: String? = nil, messageID: String? = nil, userID: String? = nil,
        deliveryMode: UInt8 = 2, headers: [String: AMQPValue] = [:]
    ) {
        (self.contentType, self.type, self.messageID, self.userID) = (contentType, type, messageID, userID)
        (self.deliveryMode, self.headers) = (deliveryMode, headers)
    }
}
