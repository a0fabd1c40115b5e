package import Snapshots

/// How far back a lane reads its journal at the start: a pure value that is shown the scans, the newest first.
///
/// The journal says which days were worked, not the device clock: that may be days off just now, or may have been when the
/// newest scans were made. So many days as the lane remembers are looked for among the scans themselves, in the order in
/// which they are met; and the newest scans are read back whatever they say.
package struct ReplayWindow {
    /// Read back in any case, and after which no more of the wanted days are expected: as many as a lane may log in two days.
    static let leastScans = 20_000
    /// Read back at the most, so that the lane is open within a second: more than four full days.
    static let mostScans = 100_000

    /// The latest instant that a trusted clock gave.
    package private(set) var newestMs: Int64?
    private let days: DayStarts
    private var wanted: [Int64] = []
    private var scans = 0
    private var unwanted = 0

    package init(_ days: DayStarts) { self.days = days }

    /// Whether to begin at this scan, or before; nil: there is no need to look any further.
    package mutating func see(atMs: Int64, isTrusted: Bool) -> Bool? {
        scans += 1
        guard scans <= ReplayWindow.mostScans else { return nil }
        if isTrusted { newestMs = max(newestMs ?? atMs, atMs) }
        let day = days.start(atMs: atMs)
        if !wanted.contains(day), wanted.count < AntiPassbackMemory.dayLimit { wanted.append(day) }
        if scans <= ReplayWindow.leastScans || wanted.contains(day) {
            unwanted = 0
            return true
        }
        unwanted += 1
        return unwanted > ReplayWindow.leastScans ? nil : false
    }
}
