import Snapshots

/// Tags of a registration list in order of their ID, however they came: PostgreSQL reads them in the order in which they lie
/// in half the time that it takes to sort them. Held in memory, 32 bytes each.
struct SortedTags {
    struct Row {
        let tag, status, pass, attendee: Int64
    }

    /// By the highest byte: IDs are random, so each bucket is small enough to be sorted in the processor's cache.
    private var buckets = [[Row]](repeating: [], count: 256)
    private(set) var count: Int64 = 0
    /// Those among them that a gate may admit.
    private(set) var active: Int64 = 0

    /// - Parameter values: four a row.
    mutating func add(_ values: [Int64]) {
        for at in stride(from: 0, to: values.count, by: 4) {
            // Negative ones first.
            let bucket = Int((UInt64(bitPattern: values[at]) ^ 1 << 63) >> 56)
            buckets[bucket].append(
                Row(tag: values[at], status: values[at + 1], pass: values[at + 2], attendee: values[at + 3]))
            if values[at + 1] == Attendee.Status.active.rawValue { active += 1 }
        }
        count += Int64(values.count / 4)
    }

    /// Gives the rows in order, a bucket at a time, and forgets them.
    mutating func drain(_ body: ([Row]) throws -> Void) rethrows {
        for bucket in buckets.indices {
            buckets[bucket].sort { $0.tag < $1.tag }
            try body(buckets[bucket])
            buckets[bucket] = []
        }
        (count, active) = (0, 0)
    }
}
