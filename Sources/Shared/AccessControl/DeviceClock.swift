/// Whether the device clock can be true: one that is not synchronised and earlier than something that has happened is not.
package struct DeviceClock: Sendable {
    /// Seconds since 1970 at which the snapshot in force was made; nil without one.
    package var snapshotCreatedS: Int64?
    /// Device time of the journal's last scan, in milliseconds; nil before the first.
    package var lastScanMs: Int64?

    package init(snapshotCreatedS: Int64? = nil, lastScanMs: Int64? = nil) {
        (self.snapshotCreatedS, self.lastScanMs) = (snapshotCreatedS, lastScanMs)
    }

    /// - Parameter isSynchronised: asked only where it matters.
    package func isTrusted(atMs: Int64, isSynchronised: () -> Bool) -> Bool {
        let isEarly = atMs < (snapshotCreatedS ?? 0) * 1_000 || atMs < lastScanMs ?? 0
        return !isEarly || isSynchronised()
    }
}
