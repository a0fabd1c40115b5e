import CCrypto

/// Bytes that nobody can guess, by libcrypto's generator.
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        // It fails only when the kernel gives no randomness at all; then nothing may go on.
        precondition(RAND_bytes(buffer.baseAddress, Int32(count)) == 1, "no random bytes")
        initialized = count
    }
}

/// Compares without telling by its duration where the first difference is. Lengths are no secret.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}
