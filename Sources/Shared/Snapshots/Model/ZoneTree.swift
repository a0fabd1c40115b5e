/// The nesting of zones. Being in a zone is being in all zones around it (contract.md section 2).
package struct ZoneTree: Sendable {
    /// For each zone that lies in another one: all zones around it, the nearest first.
    private let around: [Int64: [Int64]]

    /// A tree in which no zone lies in another.
    package init() { around = [:] }

    /// Builds the tree from the zones of a snapshot. A missing parent ends the way up. Parents in a circle contain each
    /// other.
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

    /// Returns whether being in `inner` is being in `outer`: both are the same zone, or `inner` lies within `outer`.
    /// Allocates nothing.
    package func isWithin(_ inner: Int64, _ outer: Int64) -> Bool {
        inner == outer || (around[inner]?.contains(outer) ?? false)
    }
}

/// The starts of the event's days. After the last known day a new one starts every 24 hours.
package struct DayStarts: Sendable {
    /// Milliseconds since 1970, ascending.
    private let startsMs: [Int64]

    /// One day without a start or an end.
    package init() { startsMs = [] }

    /// - Parameter days: the days of the event, in any order.
    package init(_ days: [Day]) {
        startsMs = days.map { $0.starts > .max / 1_000 ? .max : max($0.starts, 0) * 1_000 }.sorted()
    }

    /// Returns the start of the day that contains an instant.
    ///
    /// Days before the first one and after the last one have 24 hours.
    ///
    /// - Parameters:
    ///   - atMs: milliseconds since 1970.
    ///   - isCertain: whether the time can be right. All uncertain times before the first day are one day. A clock that
    ///     starts in 1970 must not make new days.
    /// - Returns: milliseconds since 1970; `Int64.min` for that single day.
    package func start(atMs: Int64, isCertain: Bool = true) -> Int64 {
        guard let first = startsMs.first, let last = startsMs.last else { return .min }
        if atMs >= last { return atMs - (atMs - last) % DayStarts.dayMs }
        if atMs >= first { return startsMs.last { $0 <= atMs } ?? first }
        guard isCertain, atMs >= 0, first < .max else { return .min }
        return first - ((first - atMs - 1) / DayStarts.dayMs + 1) * DayStarts.dayMs
    }

    private static let dayMs: Int64 = 24 * 3_600_000
}
