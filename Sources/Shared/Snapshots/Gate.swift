/// An area, perhaps inside another.
package struct Zone: Hashable, Sendable, Identifiable {
    package let id: Int64
    package let name: String
    package let parent: Int64?

    package init(id: Int64, name: String, parent: Int64? = nil) {
        (self.id, self.name, self.parent) = (id, name, parent)
    }
}

/// A place with a direction: in leads into `zone`, out leads to `fromZone`.
package struct Gate: Hashable, Sendable, Identifiable {
    package let id: Int64
    package let name: String
    package let zone: Int64
    /// Nil: off site.
    package let fromZone: Int64?
    package let policy: Policy

    package init(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: Policy = Policy()) {
        (self.id, self.name, self.zone, self.fromZone, self.policy) = (id, name, zone, fromZone, policy)
    }
}

/// A day of the event, which need not begin at midnight: a gate's memory of who is inside starts anew at `starts`.
package struct Day: Hashable, Sendable {
    /// `2026-11-23`, as the calendar of the event's time zone calls it.
    package let day: String
    /// Seconds since 1970, inclusive.
    package let starts: Int64
    /// Seconds since 1970, exclusive.
    package let ends: Int64

    package init(day: String, starts: Int64, ends: Int64) { (self.day, self.starts, self.ends) = (day, starts, ends) }
}
