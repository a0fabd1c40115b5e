import CCrypto

/// SHA-256 (FIPS 180-4), computed piece by piece. A value type: a copy continues from the same state.
package struct SHA256: Sendable {
    /// Size of a digest, in bytes.
    package static let length = 32
    /// Size of a block, in bytes; HMAC pads keys to it.
    static let blockLength = 64

    private var state = SHA256_CTX()

    /// Starts a hash of no bytes.
    package init() { SHA256_Init(&state) }

    /// Hashes further bytes.
    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
    /// Hashes further bytes.
    package mutating func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }
    /// Hashes the UTF-8 bytes of a text.
    package mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }
    /// Hashes further bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&state, bytes.baseAddress, bytes.count)
    }

    /// Returns the 32-byte digest of all bytes so far. The value is unchanged and accepts further bytes.
    package func finish() -> [UInt8] {
        var last = state
        return [UInt8](unsafeUninitializedCapacity: SHA256.length) { buffer, count in
            SHA256_Final(buffer.baseAddress, &last)
            count = SHA256.length
        }
    }

    /// Returns the 32-byte digest of `bytes`.
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// Returns the first 8 bytes of the digest as a big-endian number, without an allocation.
    func finish64() -> UInt64 {
        var last = state
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SHA256.length) { buffer in
            SHA256_Final(buffer.baseAddress, &last)
            return buffer.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Hashes the digest of `other`, without an allocation: the second pass of HMAC.
    mutating func update(digestOf other: SHA256) {
        var last = other.state
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SHA256.length) { buffer in
            SHA256_Final(buffer.baseAddress, &last)
            SHA256_Update(&state, buffer.baseAddress, buffer.count)
        }
    }
}
