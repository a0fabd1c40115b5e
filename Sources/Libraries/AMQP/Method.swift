import CRabbitMQ

/// Method numbers (class << 16 | method) of AMQP 0-9-1 and RabbitMQ's extensions (amqp0-9-1.extended.xml).
enum Method {
    static let connectionStartOK: UInt32 = 0x000a_000b
    static let connectionTuneOK: UInt32 = 0x000a_001f
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

/// Methods with an answer.
extension Method {
    static let connectionOpen = Call<amqp_connection_open_t, amqp_connection_open_ok_t>(
        request: 0x000a_0028, reply: 0x000a_0029)
    static let channelOpen = Call<amqp_channel_open_t, amqp_channel_open_ok_t>(
        request: 0x0014_000a, reply: 0x0014_000b)
    static let exchangeDeclare = Call<amqp_exchange_declare_t, amqp_exchange_declare_ok_t>(
        request: 0x0028_000a, reply: 0x0028_000b)
    static let exchangeBind = Call<amqp_exchange_bind_t, amqp_exchange_bind_ok_t>(
        request: 0x0028_001e, reply: 0x0028_001f)
    static let exchangeUnbind = Call<amqp_exchange_unbind_t, amqp_exchange_unbind_ok_t>(
        request: 0x0028_0028, reply: 0x0028_0033)
    static let queueDeclare = Call<amqp_queue_declare_t, amqp_queue_declare_ok_t>(
        request: 0x0032_000a, reply: 0x0032_000b)
    static let queueBind = Call<amqp_queue_bind_t, amqp_queue_bind_ok_t>(request: 0x0032_0014, reply: 0x0032_0015)
    static let queueUnbind = Call<amqp_queue_unbind_t, amqp_queue_unbind_ok_t>(
        request: 0x0032_0032, reply: 0x0032_0033)
    static let queueDelete = Call<amqp_queue_delete_t, amqp_queue_delete_ok_t>(
        request: 0x0032_0028, reply: 0x0032_0029)
    static let basicQos = Call<amqp_basic_qos_t, amqp_basic_qos_ok_t>(request: 0x003c_000a, reply: 0x003c_000b)
    static let basicConsume = Call<amqp_basic_consume_t, amqp_basic_consume_ok_t>(
        request: 0x003c_0014, reply: 0x003c_0015)
    static let basicCancelCall = Call<amqp_basic_cancel_t, amqp_basic_cancel_ok_t>(
        request: basicCancel, reply: 0x003c_001f)
    static let confirmSelect = Call<amqp_confirm_select_t, amqp_confirm_select_ok_t>(
        request: 0x0055_000a, reply: 0x0055_000b)

    /// Steps of the login that the broker begins. They have no request.
    static let connectionStart = Call<Void, amqp_connection_start_t>(request: 0, reply: 0x000a_000a)
    static let connectionTune = Call<Void, amqp_connection_tune_t>(request: 0, reply: 0x000a_001e)
}
