/// Which zone lies within which: being in a zone is being in all that contain it (SPEC.md section 2).
package struct ZoneTree: Sendable {
    /// For each zone that lies in another, all that contain it, the nearest first.
    private let around: [Int64: [Int64]]

    /// No zone lies in another.
    package init() { around = [:] }

    /// A parent that is not there ends the way up, and so does one that was met before: parents in a circle contain each
    /// other, and nobody waits for the end of it.
    package init(_ zones: [Int64: Zone]) {
        var around: [Int64: [Int64]] = [:]
        for zone in zones.values {
            var above: [Int64] = []
            var next = zone.parent
            while let id = next, id != zone.id, !above.contains(id) {
                above.append(id)
                next = zones[id]?.parent
            }
            if !above.isEmpty { around[zone.id] = above }
        }
        self.around = around
    }

    /// Whether being in `inner` is being in `outer`: the same zone, or one within it. Allocates nothing.
    package func isWithin(_ inner: Int64, _ outer: Int64) -> Bool {
        inner == outer || (around[inner]?.contains(outer) ?? false)
    }
}

/// When the days of an event begin; after the last that is known, every 24 hours.
package struct DayStarts: Sendable {
    /// Milliseconds since 1970, rising.
    private let startsMs: [Int64]

    /// One day without beginning or end.
    package init() { startsMs = [] }

    package init(_ days: [Day]) {
        startsMs = days.map { $0.starts > .max / 1_000 ? .max : max($0.starts, 0) * 1_000 }.sorted()
    }

    /// Milliseconds since 1970 at which the day of the instant began; the beginning of all times for one before the first.
    package func start(atMs: Int64) -> Int64 {
        guard let last = startsMs.last, last <= atMs else { return startsMs.last { $0 <= atMs } ?? .min }
        return atMs - (atMs - last) % DayStarts.dayMs
    }

    private static let dayMs: Int64 = 24 * 3_600_000
}
