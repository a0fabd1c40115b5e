import CRabbitMQ

extension AMQPConnection {
    /// Returns product and version of a broker, for example `RabbitMQ 3.10.8`; `nil` if it does not tell them.
    ///
    /// - Parameter table: what the broker says of itself at the beginning of a connection.
    static func product(in table: amqp_table_t) -> String? {
        guard let entries = table.entries else { return nil }
        var texts: [String: String] = [:]
        for entry in UnsafeBufferPointer(start: entries, count: Int(table.num_entries))
        where entry.value.kind == UInt8(AMQP_FIELD_KIND_UTF8.rawValue) {
            texts[entry.key.text] = entry.value.value.bytes.text
        }
        guard let product = texts["product"], let version = texts["version"] else { return nil }
        return "\(product) \(version)"
    }
}
