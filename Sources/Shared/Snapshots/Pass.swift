/// What a ticket or accreditation opens.
package struct Pass: Hashable, Sendable, Identifiable {
    /// May its holder come in again?
    package enum Reentry: String, Sendable, CaseIterable {
        /// As the gate's policy says.
        case gate
        /// Always, whatever the gate's policy says.
        case free
        /// Never: once inside stays once inside.
        case none
    }

    package let id: Int64
    /// Nil for a pass that an import made for rows of equal zones and times.
    package let name: String?
    package let colour: String?
    /// For the steward at the lane.
    package let note: String?
    package let reentry: Reentry
    /// Where and when it opens; by id. A pass that opens nothing has none.
    package let access: [Access]

    package init(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Reentry = .gate,
        access: [Access]
    ) {
        (self.id, self.name, self.colour, self.note) = (id, name, colour, note)
        (self.reentry, self.access) = (reentry, access)
    }
}

/// One zone that a pass opens, and when.
package struct Access: Hashable, Sendable {
    package let zone: Int64
    /// Seconds since 1970, inclusive; nil: since ever.
    package let from: Int64?
    /// Seconds since 1970, exclusive; nil: for ever.
    package let until: Int64?

    package init(zone: Int64, from: Int64? = nil, until: Int64? = nil) {
        (self.zone, self.from, self.until) = (zone, from, until)
    }
}
