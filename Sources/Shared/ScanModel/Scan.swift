/// One tap that got a verdict, or a lane event.
package struct Scan: Hashable, Sendable {
    /// 1, 2, 3 ... without gaps within a journal.
    package var seq: Int64
    /// Device clock at the tap, milliseconds since 1970-01-01 UTC.
    package var atMs: Int64
    package var tag: TagID
    package var verdict: Verdict
    package var flags: Flags
    /// The gate in force; nil when the device knows none.
    package var gate: Int64?
    /// The snapshot version in force; 0: none.
    package var snapshot: Int64

    package init(
        seq: Int64, atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) {
        (self.seq, self.atMs, self.tag, self.verdict) = (seq, atMs, tag, verdict)
        (self.flags, self.gate, self.snapshot) = (flags, gate, snapshot)
    }
}

/// Bounds that SPEC.md section 3 puts on what travels.
package enum Bounds {
    /// All uints of a batch are below this.
    package static let uint: Int64 = 1 << 53
    /// Scan times lie in 1970 ..< 2200, in milliseconds.
    package static let timesMs: Range<Int64> = 0..<7_258_118_400_000
}
