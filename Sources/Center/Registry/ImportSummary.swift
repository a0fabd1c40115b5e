internal import Runtime

/// How a list is imported.
public struct ImportOptions: Sendable {
    /// Do everything, tell what was done, and undo it.
    public var isDryRun = false
    /// Attendees with a reference that are not in the list become void.
    public var voidMissing = false
    /// Tags of the listed attendees that are not in the list become lost.
    public var replaceTags = false
    /// Take away more than `shrinkLimitPercent` of them.
    public var allowShrink = false

    /// A list that lost more than this, of people or tags, is more likely half a file than half an event.
    public static let shrinkLimitPercent = 10

    public init() {}
}

/// How far an import is.
public enum ImportProgress: Sendable, Equatable, CustomStringConvertible {
    case reading(rows: Int)
    case comparing, storing

    public var description: String {
        switch self {
        case .reading(let rows): "reading: \(rows) rows"
        case .comparing: "comparing with the database"
        case .storing: "storing what differs"
        }
    }
}

/// What an import did, or would do.
public struct Imported: Sendable, Hashable {
    public var isDryRun = false
    /// Of the list, those that were passed over apart.
    public var rows = 0
    public var skipped = 0
    /// Attendees.
    public var added = 0
    public var changed = 0
    public var unchanged = 0
    /// Of those that are not in the list.
    public var voided = 0
    public var tagsAdded = 0
    public var tagsLost = 0
    /// Void ones that are active again.
    public var tagsRestored = 0
    public var passesMade = 0
    public var passesChanged = 0
    public var zonesMade: [String] = []

    public init() {}

    public var json: String {
        let zones = zonesMade.map(JSONText.quote).joined(separator: ",")
        return #"{"dry_run":\#(isDryRun),"rows":\#(rows),"skipped":\#(skipped),"attendees":{"added":\#(added),"#
            + #""changed":\#(changed),"unchanged":\#(unchanged),"voided":\#(voided)},"#
            + #""tags":{"added":\#(tagsAdded),"lost":\#(tagsLost),"restored":\#(tagsRestored)},"#
            + #""passes":{"made":\#(passesMade),"changed":\#(passesChanged)},"zones_made":[\#(zones)]}"#
    }
}

extension Imported: CustomStringConvertible {
    public var description: String {
        var parts = [
            "\(rows) rows" + (skipped > 0 ? ", \(skipped) passed over" : ""),
            "attendees: \(added) added, \(changed) changed, \(unchanged) as they were"
                + (voided > 0 ? ", \(voided) void because they are not in the list" : ""),
            "tags: \(tagsAdded) added" + (tagsLost > 0 ? ", \(tagsLost) lost" : "")
                + (tagsRestored > 0 ? ", \(tagsRestored) active again" : ""),
            "passes: \(passesMade) made, \(passesChanged) changed",
        ]
        if !zonesMade.isEmpty { parts.append("zones made: " + zonesMade.joined(separator: ", ")) }
        return (isDryRun ? "would do: " : "") + parts.joined(separator: "; ")
    }
}
