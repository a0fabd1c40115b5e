import CRabbitMQ
import Glibc

/// Memory for the arguments of one call into librabbitmq, freed with the object. Keep the object alive during the call.
final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { free(block) } }

    func bytes(_ text: String) -> amqp_bytes_t { bytes(Array(text.utf8)) }

    func bytes(_ bytes: [UInt8]) -> amqp_bytes_t {
        // Zero-terminated, so that the result is also a C string.
        let block = allocate(bytes.count + 1)
        bytes.withUnsafeBytes { source in
            if let address = source.baseAddress { block.copyMemory(from: address, byteCount: source.count) }
        }
        block.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
        return amqp_bytes_t(len: bytes.count, bytes: block)
    }

    func table(_ values: [String: AMQPValue]) -> amqp_table_t {
        guard !values.isEmpty else { return amqp_table_t(num_entries: 0, entries: nil) }
        let entries = allocate(values.count * MemoryLayout<amqp_table_entry_t>.stride)
            .bindMemory(to: amqp_table_entry_t.self, capacity: values.count)
        for (index, pair) in values.sorted(by: { $0.key < $1.key }).enumerated() {
            var entry = amqp_table_entry_t()
            entry.key = bytes(pair.key)
            switch pair.value {
            case .text(let text):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
                entry.value.value.bytes = bytes(text)
            case .int(let number):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
                entry.value.value.i64 = number
            case .bool(let flag):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
                entry.value.value.boolean = flag ? 1 : 0
            case .table(let inner):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_TABLE.rawValue)
                entry.value.value.table = table(inner)
            }
            (entries + index).initialize(to: entry)
        }
        return amqp_table_t(num_entries: Int32(values.count), entries: entries)
    }

    private func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        guard let block = malloc(count) else { fatalError("out of memory") }
        blocks.append(block)
        return block
    }
}

extension amqp_bytes_t {
    var array: [UInt8] { len == 0 ? [] : Array(UnsafeRawBufferPointer(start: bytes, count: len)) }
    /// Invalid UTF-8 is replaced.
    var text: String {
        len == 0 ? "" : String(decoding: UnsafeRawBufferPointer(start: bytes, count: len), as: UTF8.self)
    }
}
