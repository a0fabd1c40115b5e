package import Snapshots

/// Decides how many scans of the journal a lane replays at start-up. It is fed with scans, the newest first.
///
/// Days are taken from the scans, not from the device clock. The clock may be wrong now, or may have been wrong when
/// the newest scans were made. The window covers the `AntiPassbackMemory.dayLimit` days met first, and at least
/// `leastScans`.
package struct ReplayWindow {
    /// Number of newest scans that are always replayed: about the scans of a lane in two days. After this many scans of
    /// other days in a row, no more scans of the wanted days are expected.
    static let leastScans = 20_000
    /// Maximum number of scans, so that the lane opens within one second: more than four full days.
    static let mostScans = 100_000

    /// Latest time given by a trusted clock, in milliseconds since 1970.
    package private(set) var newestMs: Int64?
    private let days: DayStarts
    private var wantedDays: [Int64] = []
    private var scans = 0
    private var unwantedInRow = 0

    /// Creates a window without scans.
    ///
    /// - Parameter days: the starts of the event's days.
    package init(_ days: DayStarts) { self.days = days }

    /// Takes the next older scan.
    ///
    /// - Parameters:
    ///   - atMs: time of the scan, in milliseconds since 1970.
    ///   - isTrusted: whether the clock was trusted.
    /// - Returns: `true` if the replay has to start at this scan or before it; `nil` if the search is complete. `false`
    ///   if this scan is not needed, but older ones may be.
    package mutating func add(atMs: Int64, isTrusted: Bool) -> Bool? {
        scans += 1
        guard scans <= ReplayWindow.mostScans else { return nil }
        if isTrusted { newestMs = max(newestMs ?? atMs, atMs) }
        let day = days.start(atMs: atMs, isCertain: isTrusted)
        if !wantedDays.contains(day), wantedDays.count < AntiPassbackMemory.dayLimit { wantedDays.append(day) }
        if scans <= ReplayWindow.leastScans || wantedDays.contains(day) {
            unwantedInRow = 0
            return true
        }
        unwantedInRow += 1
        return unwantedInRow > ReplayWindow.leastScans ? nil : false
    }
}
