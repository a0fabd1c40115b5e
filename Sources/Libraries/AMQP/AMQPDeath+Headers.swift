import CRabbitMQ

extension AMQPDeath {
    /// Longest text that is read from a header, in bytes.
    private static let textLimit = 255

    /// Reads the first entry of `x-death`, which is the last move; `nil` without one.
    init?(headers: amqp_table_t) {
        guard let list = AMQPDeath.value("x-death", of: headers), list.kind == UInt8(AMQP_FIELD_KIND_ARRAY.rawValue),
            list.value.array.num_entries > 0
        else { return nil }
        let first = list.value.array.entries[0]
        guard first.kind == UInt8(AMQP_FIELD_KIND_TABLE.rawValue) else { return nil }
        let entry = first.value.table
        reason = AMQPDeath.text("reason", of: entry)
        queue = AMQPDeath.text("queue", of: entry)
        let time = AMQPDeath.value("time", of: entry)
        timeS =
            time?.kind == UInt8(AMQP_FIELD_KIND_TIMESTAMP.rawValue) ? time.map { Int64(clamping: $0.value.u64) } : nil
    }

    private static func value(_ key: String, of table: amqp_table_t) -> amqp_field_value_t? {
        UnsafeBufferPointer(start: table.entries, count: Int(table.num_entries)).first { $0.key.text == key }?.value
    }

    private static func text(_ key: String, of table: amqp_table_t) -> String {
        guard let value = value(key, of: table), value.kind == UInt8(AMQP_FIELD_KIND_UTF8.rawValue) else { return "" }
        return String(decoding: value.value.bytes.array.prefix(textLimit), as: UTF8.self)
    }
}
