import CCrypto

/// SHA-256 (FIPS 180-4), fed piece by piece. A plain value: a copy goes on from the same state.
package struct SHA256: Sendable {
    /// Bytes of a digest.
    package static let length = 32
    /// Bytes of a block, the unit of HMAC's padding.
    static let blockLength = 64

    private var state = SHA256_CTX()

    package init() { SHA256_Init(&state) }

    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
    package mutating func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }
    /// The bytes of whole numbers as they lie in memory.
    package mutating func update(column: [some FixedWidthInteger]) { column.withUnsafeBytes { update($0) } }
    package mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&state, bytes.baseAddress, bytes.count)
    }

    /// The 32-byte digest of all that was fed. The value itself is unchanged and may be fed further.
    package func finish() -> [UInt8] {
        var last = state
        return [UInt8](unsafeUninitializedCapacity: SHA256.length) { buffer, count in
            SHA256_Final(buffer.baseAddress, &last)
            count = SHA256.length
        }
    }

    /// The 32-byte digest of `bytes`.
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The first 8 bytes of the digest as a big-endian number, without making an array of it.
    func finish64() -> UInt64 {
        var last = state
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SHA256.length) { buffer in
            SHA256_Final(buffer.baseAddress, &last)
            return buffer.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Feeds the digest of `other` without making an array of it: the second pass of HMAC.
    mutating func update(digestOf other: SHA256) {
        var last = other.state
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SHA256.length) { buffer in
            SHA256_Final(buffer.baseAddress, &last)
            SHA256_Update(&state, buffer.baseAddress, buffer.count)
        }
    }
}
