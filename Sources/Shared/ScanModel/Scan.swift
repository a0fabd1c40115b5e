/// A journaled tap with its verdict, or a lane event.
package struct Scan: Hashable, Sendable {
    /// Position in the journal: 1, 2, 3 and so on without gaps.
    package var seq: Int64
    /// Device clock at the tap, in milliseconds since 1970-01-01 UTC.
    package var atMs: Int64
    /// The tag; `TagID.none` for a lane event.
    package var tag: TagID
    /// The result of the tap, or the kind of lane event.
    package var verdict: Verdict
    /// Circumstances of the verdict, such as the direction.
    package var flags: Flags
    /// ID of the gate; `nil` if the device has none.
    package var gate: Int64?
    /// Version of the current snapshot; 0 without a snapshot.
    package var snapshot: Int64

    /// Creates a scan. Each parameter is documented at its property.
    package init(
        seq: Int64, atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) {
        self.seq = seq
        self.atMs = atMs
        self.tag = tag
        self.verdict = verdict
        self.flags = flags
        self.gate = gate
        self.snapshot = snapshot
    }
}

/// Limits of numbers in a scan batch (contract.md section 3).
package enum Bounds {
    /// Unsigned integers are below this number.
    package static let uint: Int64 = 1 << 53
    /// Scan times, in milliseconds since 1970-01-01 UTC: the years 1970 to 2199.
    package static let timesMs: Range<Int64> = 0..<7_258_118_400_000
    /// The same years in seconds since 1970-01-01 UTC, for times of snapshots.
    package static let timesS: Range<Int64> = 0..<7_258_118_400
    /// Seqs of scans in a journal.
    package static let seqs: ClosedRange<Int64> = 0...0xffff_ffff
}
