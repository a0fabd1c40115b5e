/// A value of an AMQP table: queue arguments, message headers, capabilities.
public enum AMQPValue: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    case text(String)
    case int(Int64)
    case bool(Bool)
    case table([String: AMQPValue])

    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Properties of a message that is published; nil: absent.
public struct AMQPProperties: Sendable, Hashable {
    public var contentType: String?
    public var type: String?
    public var messageID: String?
    /// Checked by the broker against the user of the connection.
    public var userID: String?
    /// 2: persistent.
    public var deliveryMode: UInt8
    public var headers: [String: AMQPValue]

    public init(
        contentType: String? = nil, type: String? = nil, messageID: String? = nil, userID: String? = nil,
        deliveryMode: UInt8 = 2, headers: [String: AMQPValue] = [:]
    ) {
        (self.contentType, self.type, self.messageID, self.userID) = (contentType, type, messageID, userID)
        (self.deliveryMode, self.headers) = (deliveryMode, headers)
    }
}
