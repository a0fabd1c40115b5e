import LinuxSystem

/// The clocks of a lane's device.
package struct LaneTime: Sendable {
    /// The device clock, milliseconds since 1970; it may step.
    package var nowMs: @Sendable () -> Int64
    /// A clock that never steps; for durations only.
    package var monotonicMs: @Sendable () -> Int64
    /// Whether the device clock follows a better one.
    package var isSynchronised: @Sendable () -> Bool

    package init(
        nowMs: @escaping @Sendable () -> Int64, monotonicMs: @escaping @Sendable () -> Int64,
        isSynchronised: @escaping @Sendable () -> Bool
    ) {
        (self.nowMs, self.monotonicMs, self.isSynchronised) = (nowMs, monotonicMs, isSynchronised)
    }

    /// Those of this machine.
    package static let device = LaneTime(
        nowMs: { SystemClock.nowMicroseconds() / 1_000 }, monotonicMs: SystemClock.monotonicMs,
        isSynchronised: SystemClock.isSynchronised)
}
