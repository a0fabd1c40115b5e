import Runtime

/// How a list is imported.
package struct ImportOptions: Sendable {
    /// Do everything, tell what was done, and undo it.
    package var isDryRun = false
    /// Attendees with a reference that are not in the list become void.
    package var voidMissing = false
    /// Tags of the listed attendees that are not in the list become lost.
    package var replaceTags = false
    /// Take away more than `shrinkLimitPercent` of them.
    package var allowShrink = false

    /// A list that lost more than this, of people or tags, is more likely half a file than half an event.
    package static let shrinkLimitPercent = 10

    package init() {}
}

/// How far an import is.
package enum ImportProgress: Sendable, Equatable, CustomStringConvertible {
    case reading(rows: Int)
    case comparing, storing

    package var description: String {
        switch self {
        case .reading(let rows): "reading: \(rows) rows"
        case .comparing: "comparing with the database"
        case .storing: "storing what differs"
        }
    }
}

/// What an import did, or would do.
package struct ImportSummary: Sendable, Hashable {
    package var isDryRun = false
    /// Of the list, those that were passed over apart.
    package var rows = 0
    package var skipped = 0
    /// Attendees.
    package var added = 0
    package var changed = 0
    package var unchanged = 0
    /// Of those that are not in the list.
    package var voided = 0
    package var tagsAdded = 0
    package var tagsLost = 0
    /// Void ones that are active again.
    package var tagsRestored = 0
    package var passesMade = 0
    package var passesChanged = 0
    package var zonesMade: [String] = []

    package init() {}

    package var json: String {
        let zones = zonesMade.map(JSONText.quote).joined(separator: ",")
        return #"{"dry_run":\#(isDryRun),"rows":\#(rows),"skipped":\#(skipped),"attendees":{"added":\#(added),"#
            + #""changed":\#(changed),"unchanged":\#(unchanged),"voided":\#(voided)},"#
            + #""tags":{"added":\#(tagsAdded),"lost":\#(tagsLost),"restored":\#(tagsRestored)},"#
            + #""passes":{"made":\#(passesMade),"changed":\#(passesChanged)},"zones_made":[\#(zones)]}"#
    }
}

extension ImportSummary: CustomStringConvertible {
    package var description: String {
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
