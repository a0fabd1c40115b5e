package import RegistrationLists
import TextRules

/// The options of an import.
package struct ImportOptions: Sendable {
    /// Compare and store everything, report the changes, and undo them.
    package var isDryRun = false
    /// Make attendees with a reference that are not in the list void.
    package var voidMissing = false
    /// Make tags of the listed attendees that are not in the list lost.
    package var replaceTags = false
    /// Allow `voidMissing` and `replaceTags` to remove more than `shrinkLimitPercent`.
    package var allowShrink = false
    /// Create zones that the list names and the registry does not have. A registry without zones takes all of them.
    package var makeZones = false
    /// `EventKey.fingerprint` of the key that the list's tag IDs are made with; `nil`: the list has tag IDs only.
    package var keyFingerprint: String?

    /// A list without more attendees or tags than this percentage is probably incomplete.
    package static let shrinkLimitPercent = 10

    /// The two ways in which an import removes entries.
    package enum Removal: Sendable, Hashable {
        case voidMissing, replaceTags

        /// The end of a sentence "the import would make 3 of 5 ...".
        var effect: String {
            switch self {
            case .voidMissing: "active attendees void"
            case .replaceTags: "tags of the listed attendees lost"
            }
        }
    }

    /// Creates options that add and change entries, and remove none.
    package init() {}
}

/// The progress of an import. The description is for the user.
package enum ImportProgress: Sendable, Equatable, CustomStringConvertible {
    case reading(rows: Int)
    case comparing, storing

    /// The number of rows read so far, or the current step.
    package var description: String {
        switch self {
        case .reading(let rows): "reading: \(rows) rows"
        case .comparing: "comparing with the database"
        case .storing: "storing the differences"
        }
    }
}

/// The changes of an import, or of a dry run.
package struct ImportSummary: Sendable, Hashable {
    /// Whether the changes were undone after they were counted.
    package var isDryRun = false
    /// Rows for the registry.
    package var rows = 0
    /// Rows that are not for the registry.
    package var skipped = 0
    /// Attendees.
    package var added = 0
    /// Attendees with at least one changed value.
    package var changed = 0
    /// Attendees that were stored with the same values.
    package var unchanged = 0
    /// Attendees that are not in the list.
    package var voided = 0
    /// Tags that are new in the registry.
    package var tagsAdded = 0
    /// Tags that are lost or void now: the list marks them so, or does not have them any more.
    package var tagsLost = 0
    /// Void tags that are active again.
    package var tagsRestored = 0
    /// Passes that were created.
    package var passesMade = 0
    /// Passes with changed access, colour, note or re-entry.
    package var passesChanged = 0
    /// Names of the zones that were created.
    package var zonesMade: [String] = []
    /// The UIDs of the list by length.
    package var uids = UIDSummary()
    /// What is probably wrong in the list, as sentences without a full stop.
    package var warnings: [String] = []

    /// Creates a summary without changes.
    package init() {}
}

extension ImportSummary: CustomStringConvertible {
    /// All numbers, in one line for the user, and a line for each warning.
    package var description: String { lines.joined(separator: "\n") }

    /// The lines of the description.
    package var lines: [String] {
        var parts = [
            "\(rows) rows" + (skipped > 0 ? ", \(skipped) skipped" : ""),
            "attendees: \(added) added, \(changed) changed, \(unchanged) unchanged"
                + (voided > 0 ? ", \(voided) void because they are not in the list" : ""),
            "tags: \(tagsAdded) added" + (tagsLost > 0 ? ", \(tagsLost) lost" : "")
                + (tagsRestored > 0 ? ", \(tagsRestored) active again" : ""),
            "passes: \(passesMade) created, \(passesChanged) changed",
        ]
        if !zonesMade.isEmpty {
            parts.append("zones created: " + zonesMade.map(\.visibleInLine).joined(separator: ", "))
        }
        if uids.total > 0 { parts.append(uids.description) }
        let line = (isDryRun ? "dry run, nothing stored: " : "") + parts.joined(separator: "; ")
        return [line] + warnings.map { "warning: \($0)" }
    }
}

extension ImportSummary: Encodable {
    private enum Key: String, CodingKey {
        case rows, skipped, attendees, tags, passes, warnings
        case uidLengths = "uid_lengths"
        case isDryRun = "dry_run"
        case zonesMade = "zones_made"
    }

    /// Encodes the summary in the format of docs/operating/registration.md.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(isDryRun, forKey: .isDryRun)
        try object.encode(rows, forKey: .rows)
        try object.encode(skipped, forKey: .skipped)
        try object.encode(
            ["added": added, "changed": changed, "unchanged": unchanged, "voided": voided], forKey: .attendees)
        try object.encode(["added": tagsAdded, "lost": tagsLost, "restored": tagsRestored], forKey: .tags)
        try object.encode(["made": passesMade, "changed": passesChanged], forKey: .passes)
        try object.encode(zonesMade, forKey: .zonesMade)
        let lengths = uids.counts.map { ("\($0.key)", $0.value) }
        try object.encode(Dictionary(uniqueKeysWithValues: lengths), forKey: .uidLengths)
        try object.encode(warnings, forKey: .warnings)
    }
}
