/// The rule whether a device clock is trusted.
///
/// A clock is wrong if it is not synchronised and is earlier than an event that has certainly happened.
package struct DeviceClock: Sendable {
    /// A time that has certainly passed, also without a snapshot: 2020-01-01 UTC, in milliseconds since 1970.
    package static let earliestMs: Int64 = 1_577_836_800_000

    /// Creation time of the current snapshot, in seconds since 1970; `nil` without a snapshot.
    package var snapshotCreatedS: Int64?
    /// Device time of the last journaled scan, in milliseconds since 1970; `nil` before the first.
    package var lastScanMs: Int64?

    /// Creates a rule from the events known so far.
    ///
    /// - Parameters:
    ///   - snapshotCreatedS: creation time of the current snapshot, in seconds since 1970; `nil` without a snapshot.
    ///   - lastScanMs: device time of the last journaled scan, in milliseconds since 1970; `nil` before the first.
    package init(snapshotCreatedS: Int64? = nil, lastScanMs: Int64? = nil) {
        self.snapshotCreatedS = snapshotCreatedS
        self.lastScanMs = lastScanMs
    }

    /// Returns whether the clock is trusted.
    ///
    /// - Parameters:
    ///   - atMs: the clock's time, in milliseconds since 1970.
    ///   - isSynchronised: whether the kernel reports a synchronised clock. Called only if the answer depends on it.
    package func isTrusted(atMs: Int64, isSynchronised: () -> Bool) -> Bool {
        let isEarly =
            atMs < max((snapshotCreatedS ?? 0) * 1_000, DeviceClock.earliestMs) || atMs < lastScanMs ?? 0
        return !isEarly || isSynchronised()
    }
}
