import AccessControl
package import LinuxSystem

/// The clocks of a lane's device.
package struct LaneTime: Sendable {
    /// The device clock, in milliseconds since 1970-01-01 UTC. It may step.
    package var nowMs: @Sendable () -> Int64
    /// A monotonic clock, in milliseconds; for durations only.
    package var monotonicMs: @Sendable () -> Int64
    /// The boot in which that clock runs; `nil` if it is not known.
    package var bootID: BootID?
    /// Whether the device clock is synchronised with a time source.
    package var isSynchronised: @Sendable () -> Bool

    /// Creates clocks from functions, for a simulation or a test.
    ///
    /// - Parameters:
    ///   - nowMs: the device clock, in milliseconds since 1970-01-01 UTC.
    ///   - monotonicMs: a monotonic clock, in milliseconds.
    ///   - bootID: the boot in which that clock runs; `nil` if it is not known.
    ///   - isSynchronised: whether the device clock is synchronised with a time source.
    package init(
        nowMs: @escaping @Sendable () -> Int64, monotonicMs: @escaping @Sendable () -> Int64, bootID: BootID? = nil,
        isSynchronised: @escaping @Sendable () -> Bool
    ) {
        self.nowMs = nowMs
        self.monotonicMs = monotonicMs
        self.bootID = bootID
        self.isSynchronised = isSynchronised
    }

    /// The clocks of this machine.
    package static let device = LaneTime(
        nowMs: { SystemClock.nowMicroseconds() / 1_000 }, monotonicMs: SystemClock.monotonicMs,
        bootID: BootID.current, isSynchronised: SystemClock.isSynchronised)
}

/// The lane's clocks, and whether the device clock can be right.
final class LaneClock {
    private let time: LaneTime
    private var deviceClock = DeviceClock()
    /// Whether the time of the last tap, or of the last check, can be right.
    private(set) var isTrusted = true

    init(_ time: LaneTime) { self.time = time }

    /// The device clock, in milliseconds since 1970-01-01 UTC.
    var nowMs: Int64 { time.nowMs() }
    /// The monotonic clock, in milliseconds.
    var monotonicMs: Int64 { time.monotonicMs() }
    /// The boot in which the monotonic clock runs.
    var bootID: BootID? { time.bootID }
    /// The monotonic clock, for a component that keeps its own durations.
    var monotonicSource: @Sendable () -> Int64 { time.monotonicMs }

    /// Checks whether the device clock can be right, and keeps the result in `isTrusted`.
    func check(nowMs: Int64) { isTrusted = canBeRight(nowMs) }

    /// Trusts the time that a replayed tap carries. Its source is responsible for it.
    func trustGivenTime() { isTrusted = true }

    /// Whether a time of the device clock can be right. Does not change `isTrusted`.
    func canBeRight(_ nowMs: Int64) -> Bool {
        deviceClock.isTrusted(atMs: nowMs, isSynchronised: time.isSynchronised)
    }

    /// The device clock cannot be earlier than the creation of the snapshot.
    func noteSnapshot(createdS: Int64) { deviceClock.snapshotCreatedS = createdS }

    /// The device clock cannot be earlier than a scan of the journal.
    func noteScan(atMs: Int64) { deviceClock.lastScanMs = max(deviceClock.lastScanMs ?? atMs, atMs) }
}
