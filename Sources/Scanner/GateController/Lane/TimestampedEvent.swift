/// Something that has reached the lane, and when: while the journal's disk is slow it waits in the mailbox, but a tap was
/// made, and a passage seen, when it came.
package struct TimestampedEvent: Sendable {
    package var input: LaneEvent
    /// By the device clock, milliseconds since 1970.
    package var atMs: Int64
    /// By the clock that never steps.
    package var monotonicMs: Int64

    /// Of this moment.
    package init(_ input: LaneEvent) {
        let time = LaneTime.device
        self.init(input, atMs: time.nowMs(), monotonicMs: time.monotonicMs())
    }

    package init(_ input: LaneEvent, atMs: Int64, monotonicMs: Int64) {
        (self.input, self.atMs, self.monotonicMs) = (input, atMs, monotonicMs)
    }
}
