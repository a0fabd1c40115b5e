/// The Bloom filter of a run: which tags it may hold. SQL tests it with `tapline_internal.may_hold`.
///
/// A tag ID is a random number (an HMAC), so four parts of it select the bits of the tag. With 16 bits for each tag,
/// one run of 400 that does not hold a tag seems to hold it.
enum TagFilter {
    /// Minimum number of bits for each scan.
    static let bitsPerScan = 16
    static let minimumBits = 64
    /// Number of the parts of a tag ID, and of bits from one to the next. A filter needs no longer part, because a run
    /// has at most 512 scans.
    static let parts = 4
    static let partBits = 13

    /// Returns the filter of the tags of a run; tag 0, which is no tag, is left out.
    ///
    /// - Returns: a power of two of bits. Bit 0 is the lowest bit of the first byte, as in PostgreSQL's `get_bit`.
    static func bytes(of tags: ArraySlice<Int64>) -> [UInt8] {
        var bits = minimumBits
        while bits < bitsPerScan * tags.count { bits *= 2 }
        let mask = UInt64(bits - 1)
        var filter = [UInt8](repeating: 0, count: bits / 8)
        for tag in tags where tag != 0 {
            var rest = UInt64(bitPattern: tag)
            for _ in 0..<parts {
                let bit = rest & mask
                filter[Int(bit / 8)] |= 1 << UInt8(bit % 8)
                rest >>= partBits
            }
        }
        return filter
    }
}
