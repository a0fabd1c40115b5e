import CCrypto

/// PEM text (RFC 7468) by libcrypto's buffers in memory.
enum PEM {
    /// Returns what `write` writes into a buffer.
    static func text(_ operation: String, _ write: (OpaquePointer) -> Int32) throws(CertificateError) -> [UInt8] {
        guard let buffer = BIO_new(BIO_s_mem()) else { throw .failed(operation) }
        defer { BIO_free(buffer) }
        guard write(buffer) == 1 else { throw .failed(operation) }
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(buffer))
        guard BIO_read(buffer, &bytes, Int32(bytes.count)) == bytes.count else { throw .failed(operation) }
        return bytes
    }

    /// Returns what `read` finds in the bytes.
    static func parse<Value>(
        _ bytes: [UInt8], _ operation: String, _ read: (OpaquePointer) -> Value?
    ) throws(CertificateError) -> Value {
        let value = bytes.withUnsafeBytes { bytes -> Value? in
            guard let buffer = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else { return nil }
            defer { BIO_free(buffer) }
            return read(buffer)
        }
        guard let value else { throw .failed(operation) }
        return value
    }
}
