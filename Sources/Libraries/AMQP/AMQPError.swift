/// A failed AMQP operation: what was tried, what went wrong, and what it means for the connection.
package struct AMQPError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// The URL cannot be understood.
        case address
        /// No connection: name not found, refused, handshake failed, certificate not accepted.
        case unreachable
        /// The broker refused user, password or virtual host (403, or an authentication failure close).
        case refused
        /// The connection was there and is gone: end of stream, reset, missed heartbeats, broken protocol.
        case connectionLost
        /// The broker closed the connection with a reply code of AMQP 0-9-1.
        case connectionClosed(code: UInt16)
        /// The broker closed the channel with a reply code of AMQP 0-9-1 (404 not found, 406 precondition failed ...);
        /// the connection stands, and `openChannel` gives a new channel.
        case channelClosed(code: UInt16)
        /// The broker did not answer in time; the connection is closed.
        case timedOut
        /// Connecting was given up because the interrupt descriptor became readable.
        case interrupted
    }

    package let kind: Kind
    package let operation: String
    /// Safe to show: never holds a password.
    package let detail: String

    init(_ kind: Kind, _ operation: String, _ detail: String) {
        (self.kind, self.operation, self.detail) = (kind, operation, detail)
    }

    package var description: String { "\(operation): \(detail)" }

    /// The reply code, if the broker gave one.
    package var replyCode: UInt16? {
        switch kind {
        case .connectionClosed(let code), .channelClosed(let code): code
        default: nil
        }
    }

    /// Whether only the channel was lost.
    package var isChannelOnly: Bool {
        if case .channelClosed = kind { true } else { false }
    }
}
