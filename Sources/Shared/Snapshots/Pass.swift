/// What a ticket or accreditation opens.
public struct Pass: Hashable, Sendable, Identifiable {
    /// May its holder come in again?
    public enum Reentry: String, Sendable, CaseIterable {
        /// As the gate's policy says.
        case gate
        /// Always, whatever the gate's policy says.
        case free
        /// Never: once inside stays once inside.
        case none
    }

    public let id: Int64
    /// Nil for a pass that an import made for rows of equal zones and times.
    public let name: String?
    public let colour: String?
    /// For the steward at the lane.
    public let note: String?
    public let reentry: Reentry
    /// Where and when it opens; by id. A pass that opens nothing has none.
    public let access: [Access]

    public init(
        id: Int64, name: String? = nil, colour: String? = nil, note: String? = nil, reentry: Reentry = .gate,
        access: [Access]
    ) {
        (self.id, self.name, self.colour, self.note) = (id, name, colour, note)
        (self.reentry, self.access) = (reentry, access)
    }
}

/// One zone that a pass opens, and when.
public struct Access: Hashable, Sendable {
    public let zone: Int64
    /// Seconds since 1970, inclusive; nil: since ever.
    public let from: Int64?
    /// Seconds since 1970, exclusive; nil: for ever.
    public let until: Int64?

    public init(zone: Int64, from: Int64? = nil, until: Int64? = nil) {
        (self.zone, self.from, self.until) = (zone, from, until)
    }
}
