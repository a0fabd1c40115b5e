import Runtime

/// The clocks of a lane's device.
public struct LaneTime: Sendable {
    /// The device clock, milliseconds since 1970; it may step.
    public var nowMs: @Sendable () -> Int64
    /// A clock that never steps; for durations only.
    public var monotonicMs: @Sendable () -> Int64
    /// Whether the device clock follows a better one.
    public var isSynchronised: @Sendable () -> Bool

    public init(
        nowMs: @escaping @Sendable () -> Int64, monotonicMs: @escaping @Sendable () -> Int64,
        isSynchronised: @escaping @Sendable () -> Bool
    ) {
        (self.nowMs, self.monotonicMs, self.isSynchronised) = (nowMs, monotonicMs, isSynchronised)
    }

    /// Those of this machine.
    public static let device = LaneTime(
        nowMs: { SystemClock.nowMicroseconds() / 1_000 }, monotonicMs: SystemClock.monotonicMs,
        isSynchronised: SystemClock.isSynchronised)
}
