/// HMAC-SHA-256 (RFC 2104). `init` hashes both padded keys; a short message then costs two blocks and no allocation
/// except the result.
package struct HMACSHA256: Sendable {
    private let inner: SHA256
    private let outer: SHA256

    /// - Parameter key: of any length; a key over 64 bytes is hashed first (RFC 2104).
    package init(key: [UInt8]) {
        let short = key.count > SHA256.blockLength ? SHA256.hash(key) : key
        let padded = short + [UInt8](repeating: 0, count: SHA256.blockLength - short.count)
        var (inner, outer) = (SHA256(), SHA256())
        inner.update(padded.map { $0 ^ 0x36 })
        outer.update(padded.map { $0 ^ 0x5c })
        self.inner = inner
        self.outer = outer
    }

    /// Computes the first 8 of the 32 bytes as a big-endian number, without an allocation.
    package func authenticate64(_ message: [UInt8]) -> UInt64 {
        var (first, second) = (inner, outer)
        first.update(message)
        second.update(digestOf: first)
        return second.finish64()
    }

    /// Computes the MAC, 32 bytes.
    package func authenticate(_ message: [UInt8]) -> [UInt8] {
        var (first, second) = (inner, outer)
        first.update(message)
        second.update(digestOf: first)
        return second.finish()
    }
}
