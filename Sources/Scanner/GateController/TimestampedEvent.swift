import Runtime

/// Something that has reached the lane, and when: while the journal's disk is slow it waits in the mailbox, but a tap was
/// made, and a passage seen, when it came.
public struct LaneArrival: Sendable {
    public var input: LaneInput
    /// By the device clock, milliseconds since 1970.
    public var atMs: Int64
    /// By the clock that never steps.
    public var monotonicMs: Int64

    /// Of this moment.
    public init(_ input: LaneInput) {
        let time = LaneTime.device
        self.init(input, atMs: time.nowMs(), monotonicMs: time.monotonicMs())
    }

    public init(_ input: LaneInput, atMs: Int64, monotonicMs: Int64) {
        (self.input, self.atMs, self.monotonicMs) = (input, atMs, monotonicMs)
    }
}
