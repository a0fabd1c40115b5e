/// The Bloom filter of a run: which tags it may hold. SQL tests it with `tapline_internal.may_hold`.
///
/// A tag ID is a random number (an HMAC), so four parts of it select the bits of the tag. With 16 bits for each tag,
/// one run of 400 that does not hold a tag seems to hold it.
enum TagFilter {
    /// Minimum number of bits for each scan.
    static let bitsPerScan = 16
    static let minimumBits = 64
    /// Where the parts of a tag ID begin. Each part has at most 13 bits, because a run has at most 512 scans.
    static let shifts: [UInt64] = [0, 13, 26, 39]

    /// Returns the filter of the tags of a run; tag 0, which is no tag, is left out.
    ///
    /// - Returns: a power of two of bits. Bit 0 is the lowest bit of the first byte, as in PostgreSQL's `get_bit`.
    static func bytes(of tags: ArraySlice<Int64>) -> [UInt8] {
        var bits = minimumBits
        while bits < bitsPerScan * tags.count { bits *= 2 }
        let mask = UInt64(bits - 1)
        var filter = [UInt8](repeating: 0, count: bits / 8)
        for tag in tags where tag != 0 {
            let tag = UInt64(bitPattern: tag)
            for shift in shifts {
                let bit = Int(truncatingIfNeeded: (tag >> shift) & mask)
                filter[bit / 8] |= 1 << UInt8(bit % 8)
            }
        }
        return filter
    }
}
