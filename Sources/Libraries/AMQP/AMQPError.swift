package import ErrorModel

/// A failed AMQP operation, its cause and the resulting state of the connection.
package struct AMQPError: OperationError, Equatable {
    /// Kind of failure, which decides whether the connection or the channel can still be used.
    package enum Kind: Sendable, Equatable {
        /// Invalid URL.
        case address
        /// A URL of another machine without protection, which the caller did not permit.
        case insecure
        /// No connection: unknown host name, connection refused, failed handshake, or certificate not accepted.
        case unreachable
        /// The broker rejected the user, the password or the virtual host (403, or an authentication failure close).
        case refused
        /// An established connection ended: end of stream, reset, missed heartbeats, or protocol violation.
        case connectionLost
        /// The broker closed the connection with a reply code of AMQP 0-9-1.
        case connectionClosed(code: UInt16)
        /// The broker closed the channel with a reply code of AMQP 0-9-1 (404 not found, 406 precondition failed ...).
        /// The connection stays open, and `openChannel` opens a new channel.
        case channelClosed(code: UInt16)
        /// The broker did not answer in time; the connection is closed.
        case timedOut
        /// The connection attempt ended because the interrupt descriptor became readable.
        case interrupted
    }

    /// Kind of failure.
    package let kind: Kind
    /// The failed operation, for example `declare queue scans-0`.
    package let operation: String
    /// The cause. Never contains a password.
    package let detail: String

    init(_ kind: Kind, _ operation: String, _ detail: String) {
        self.kind = kind
        self.operation = operation
        self.detail = detail
    }

    /// The operation and the cause.
    package var description: String { "\(operation): \(detail)" }

    /// `.configuration` for an invalid or unprotected URL or rejected credentials, `.failure` for a closed channel, otherwise
    /// `.unavailable`.
    package var category: ErrorCategory {
        switch kind {
        case .address, .insecure, .refused: .configuration
        case .channelClosed: .failure
        case .unreachable, .connectionLost, .connectionClosed, .timedOut, .interrupted: .unavailable
        }
    }

    /// The reply code of the broker, or `nil` if it sent none.
    package var replyCode: UInt16? {
        switch kind {
        case .connectionClosed(let code), .channelClosed(let code): code
        default: nil
        }
    }

    /// Whether the connection is still open and only the channel is closed.
    package var isChannelOnly: Bool {
        if case .channelClosed = kind { true } else { false }
    }
}
