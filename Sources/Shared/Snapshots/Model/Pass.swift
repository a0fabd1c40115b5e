/// The zones that a ticket or an accreditation opens, and when.
package struct Pass: Hashable, Sendable, Identifiable {
    /// Whether the holder may enter again.
    package enum Reentry: String, Sendable, CaseIterable {
        /// By the gate's policy.
        case gate
        /// Always, whatever the gate's policy says.
        case free
        /// Never after the first admission of the day.
        case none
    }

    /// ID of the pass in the registry.
    package let id: Int64
    /// `nil` for a pass that an import made for rows with equal zones and times.
    package let name: String?
    /// Colour shown to the steward at the lane: a word or `#rrggbb`; `nil` without one.
    package let colour: String?
    /// A note shown to the steward at the lane.
    package let note: String?
    /// Whether the holder may enter again on the same day.
    package let reentry: Reentry
    /// The zones and times that it opens, in order of row ID. Empty if it opens none.
    package let access: [Access]

    /// Creates a pass. Each parameter is documented at its property.
    package init(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Reentry = .gate,
        access: [Access]
    ) {
        self.id = id
        self.name = name
        self.colour = colour
        self.note = note
        self.reentry = reentry
        self.access = access
    }
}

/// One zone that a pass opens, with its time window.
package struct Access: Hashable, Sendable {
    /// ID of the zone.
    package let zone: Int64
    /// Seconds since 1970, inclusive; `nil` without a start.
    package let from: Int64?
    /// Seconds since 1970, exclusive; `nil` without an end.
    package let until: Int64?

    /// Creates access to one zone.
    ///
    /// - Parameters:
    ///   - zone: ID of the zone.
    ///   - from: seconds since 1970, inclusive; `nil` without a start.
    ///   - until: seconds since 1970, exclusive; `nil` without an end.
    package init(zone: Int64, from: Int64? = nil, until: Int64? = nil) {
        self.zone = zone
        self.from = from
        self.until = until
    }
}
