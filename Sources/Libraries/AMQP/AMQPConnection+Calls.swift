import CRabbitMQ

/// Calls that wait for the broker's answer, and the conversion of failures to `AMQPError`.
extension AMQPConnection {
    /// Runs one call on the open channel and returns its reply.
    ///
    /// - Parameters:
    ///   - operation: name of the call, for the error.
    ///   - body: the call into librabbitmq; `nil` is a failure, whose cause is the RPC reply of the connection.
    /// - Throws: `AMQPError`.
    func call<Reply>(
        _ operation: String, _ body: (amqp_connection_state_t, UInt16, Arena) -> UnsafeMutablePointer<Reply>?
    ) throws(AMQPError) -> Reply {
        try checkChannel(operation)
        let arena = Arena()
        let reply = withExtendedLifetime(arena) { body(state, channel, arena)?.pointee }
        guard let reply else {
            let error =
                failure(amqp_get_rpc_reply(state), operation)
                ?? AMQPError(.connectionLost, operation, "no answer")
            throw lost(error)
        }
        return reply
    }

    /// Checks the result of a call that only sends.
    func check(_ status: Int32, _ operation: String) throws(AMQPError) {
        guard status != AMQP_STATUS_OK.rawValue else { return }
        throw lost(AMQPError(.connectionLost, operation, AMQPConnection.text(status)))
    }

    func checkOpen(_ operation: String) throws(AMQPError) {
        if let error = pendingError { throw error }
        guard isOpen else { throw AMQPError(.connectionLost, operation, "the connection is closed") }
    }

    func checkChannel(_ operation: String) throws(AMQPError) {
        try checkOpen(operation)
        guard isChannelOpen else { throw AMQPError(.channelClosed(code: 0), operation, "the channel is closed") }
    }

    /// Marks the channel or the connection as closed and returns the error.
    func lost(_ error: AMQPError) -> AMQPError {
        if error.isChannelOnly { isChannelOpen = false } else { (isOpen, isChannelOpen) = (false, false) }
        return error
    }

    /// The error of a reply, or `nil` for a normal reply. Also answers a close from the broker, because the library
    /// leaves that to its caller.
    func failure(_ reply: amqp_rpc_reply_t, _ operation: String) -> AMQPError? {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL:
            return nil
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            switch reply.reply.id {
            case Method.connectionClose:
                let (code, text) = answerConnectionClose(reply.reply)
                return AMQPError(.connectionClosed(code: code), operation, "\(code) \(text)")
            case Method.channelClose:
                let (code, text) = answerChannelClose(reply.reply, channel)
                return AMQPError(.channelClosed(code: code), operation, "\(code) \(text)")
            default:
                return AMQPError(.connectionLost, operation, "unexpected method \(reply.reply.id)")
            }
        case AMQP_RESPONSE_LIBRARY_EXCEPTION:
            let kind: AMQPError.Kind =
                reply.library_error == AMQP_STATUS_TIMEOUT.rawValue ? .timedOut : .connectionLost
            return AMQPError(kind, operation, AMQPConnection.text(reply.library_error))
        default:
            return AMQPError(.connectionLost, operation, "end of stream")
        }
    }

    func answerConnectionClose(_ method: amqp_method_t) -> (code: UInt16, text: String) {
        guard let close = method.decoded?.assumingMemoryBound(to: amqp_connection_close_t.self).pointee else {
            return (0, "")
        }
        let result = (close.reply_code, close.reply_text.text)
        var answer = amqp_connection_close_ok_t()
        _ = amqp_send_method(state, 0, Method.connectionCloseOK, &answer)
        return result
    }

    func answerChannelClose(_ method: amqp_method_t, _ channel: UInt16) -> (code: UInt16, text: String) {
        guard let close = method.decoded?.assumingMemoryBound(to: amqp_channel_close_t.self).pointee else {
            return (0, "")
        }
        let result = (close.reply_code, close.reply_text.text)
        var answer = amqp_channel_close_ok_t()
        _ = amqp_send_method(state, channel, Method.channelCloseOK, &answer)
        return result
    }

    static func text(_ status: Int32) -> String { String(cString: amqp_error_string2(status)) }
}

/// Method numbers (class << 16 | method) of AMQP 0-9-1 and RabbitMQ's extensions (amqp0-9-1.extended.xml).
enum Method {
    static let connectionClose: UInt32 = 0x000a_0032
    static let connectionCloseOK: UInt32 = 0x000a_0033
    static let connectionBlocked: UInt32 = 0x000a_003c
    static let connectionUnblocked: UInt32 = 0x000a_003d
    static let channelClose: UInt32 = 0x0014_0028
    static let channelCloseOK: UInt32 = 0x0014_0029
    static let basicCancel: UInt32 = 0x003c_001e
    static let basicReturn: UInt32 = 0x003c_0032
    static let basicDeliver: UInt32 = 0x003c_003c
    static let basicAck: UInt32 = 0x003c_0050
    static let basicNack: UInt32 = 0x003c_0078
}
