/// One tap that got a verdict, or a lane event.
public struct Scan: Hashable, Sendable {
    /// 1, 2, 3 ... without gaps within a journal.
    public var seq: Int64
    /// Device clock at the tap, milliseconds since 1970-01-01 UTC.
    public var atMs: Int64
    public var tag: TagID
    public var verdict: Verdict
    public var flags: Flags
    /// The gate in force; nil when the device knows none.
    public var gate: Int64?
    /// The snapshot version in force; 0: none.
    public var snapshot: Int64

    public init(
        seq: Int64, atMs: Int64, tag: TagID, verdict: Verdict, flags: Flags, gate: Int64?, snapshot: Int64
    ) {
        (self.seq, self.atMs, self.tag, self.verdict) = (seq, atMs, tag, verdict)
        (self.flags, self.gate, self.snapshot) = (flags, gate, snapshot)
    }
}

/// Bounds that SPEC.md section 3 puts on what travels.
public enum Bounds {
    /// All uints of a batch are below this.
    public static let uint: Int64 = 1 << 53
    /// Scan times lie in 1970 ..< 2200, in milliseconds.
    public static let timesMs: Range<Int64> = 0..<7_258_118_400_000
}
