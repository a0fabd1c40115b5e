/// An area of the venue, which may lie inside another one.
package struct Zone: Hashable, Sendable, Identifiable {
    /// ID of the zone in the registry.
    package let id: Int64
    /// Name of the zone, unique within the event.
    package let name: String
    /// ID of the zone around it; `nil` for an outermost zone.
    package let parent: Int64?

    /// Creates a zone.
    ///
    /// - Parameters:
    ///   - id: ID of the zone in the registry.
    ///   - name: name of the zone.
    ///   - parent: ID of the zone around it; `nil` for an outermost zone.
    package init(id: Int64, name: String, parent: Int64? = nil) {
        self.id = id
        self.name = name
        self.parent = parent
    }
}

/// An entry point between two zones: in leads into `zone`, out leads to `fromZone`.
package struct Gate: Hashable, Sendable, Identifiable {
    /// ID of the gate in the registry.
    package let id: Int64
    /// Name of the gate, unique within the event.
    package let name: String
    /// ID of the zone that an entry leads into.
    package let zone: Int64
    /// ID of the zone that an exit leads into; `nil` if it leads off site.
    package let fromZone: Int64?
    /// Rules of the gate for the cases that the pass does not decide.
    package let policy: Policy

    /// Creates a gate. Each parameter is documented at its property.
    package init(id: Int64, name: String, zone: Int64, fromZone: Int64? = nil, policy: Policy = Policy()) {
        self.id = id
        self.name = name
        self.zone = zone
        self.fromZone = fromZone
        self.policy = policy
    }
}

/// A day of the event. It need not start at midnight; anti-passback starts empty at `starts`.
package struct Day: Hashable, Sendable {
    /// Calendar date in the event's time zone, such as `2026-11-23`.
    package let day: String
    /// Seconds since 1970, inclusive.
    package let starts: Int64
    /// Seconds since 1970, exclusive.
    package let ends: Int64

    /// Creates a day.
    ///
    /// - Parameters:
    ///   - day: calendar date in the event's time zone.
    ///   - starts: seconds since 1970, inclusive.
    ///   - ends: seconds since 1970, exclusive.
    package init(day: String, starts: Int64, ends: Int64) {
        self.day = day
        self.starts = starts
        self.ends = ends
    }
}
