/// An area, perhaps inside another.
public struct Zone: Hashable, Sendable, Identifiable {
    public let id: Int64
    public let name: String
    public let parent: Int64?

    public init(id: Int64, name: String, parent: Int64? = nil) {
        (self.id, self.name, self.parent) = (id, name, parent)
    }
}

/// A place with a direction: in leads into `zone`, out leads to `fromZone`.
public struct Gate: Hashable, Sendable, Identifiable {
    public let id: Int64
    public let name: String
    public let zone: Int64
    /// Nil: off site.
    public let fromZone: Int64?
    public let policy: Policy

    public init(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: Policy = Policy()) {
        (self.id, self.name, self.zone, self.fromZone, self.policy) = (id, name, zone, fromZone, policy)
    }
}

/// A day of the event, which need not begin at midnight: a gate's memory of who is inside starts anew at `starts`.
public struct Day: Hashable, Sendable {
    /// `2026-11-23`, as the calendar of the event's time zone calls it.
    public let day: String
    /// Seconds since 1970, inclusive.
    public let starts: Int64
    /// Seconds since 1970, exclusive.
    public let ends: Int64

    public init(day: String, starts: Int64, ends: Int64) { (self.day, self.starts, self.ends) = (day, starts, ends) }
}
