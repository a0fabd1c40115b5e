import CRabbitMQ

extension AMQPConnection {
    /// Product and version of the broker, as it tells them, for example `RabbitMQ 3.10.8`; `nil` if it does not.
    package var product: String? {
        guard let table = amqp_get_server_properties(state)?.pointee, let entries = table.entries else { return nil }
        var texts: [String: String] = [:]
        for entry in UnsafeBufferPointer(start: entries, count: Int(table.num_entries))
        where entry.value.kind == UInt8(AMQP_FIELD_KIND_UTF8.rawValue) {
            texts[AMQPConnection.text(entry.key)] = AMQPConnection.text(entry.value.value.bytes)
        }
        guard let product = texts["product"], let version = texts["version"] else { return nil }
        return "\(product) \(version)"
    }

    private static func text(_ bytes: amqp_bytes_t) -> String {
        String(decoding: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len), as: UTF8.self)
    }
}
