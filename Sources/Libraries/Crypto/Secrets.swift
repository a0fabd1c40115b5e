import CCrypto

/// Returns cryptographically secure random bytes, by libcrypto's generator.
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        // Fails only if the kernel provides no randomness; the program must not continue then.
        precondition(RAND_bytes(buffer.baseAddress, Int32(count)) == 1, "no random bytes")
        initialized = count
    }
}

/// Compares in constant time: the duration does not reveal the position of the first difference. Lengths are not
/// secret.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}
