package import ErrorModel
import Postgres
package import ScanModel
import TextRules

/// A change or an export of the registry that was rejected. Nothing was stored.
package enum RegistryError: OperationError, Equatable {
    /// A name that the registry does not have, and the existing names that resemble it.
    package struct UnknownName: Sendable, Equatable {
        /// The unknown name.
        package let name: String
        /// The existing names that resemble it, the nearest first.
        package let near: [String]

        /// Creates the report of one name.
        package init(_ name: String, near: [String]) {
            self.name = name
            self.near = near
        }

        /// The name, with the names that may be meant.
        var text: String {
            let meant = near.map { "'\($0)'" }.joined(separator: " or ")
            return "'\(name)'" + (near.isEmpty ? "" : " (\(meant) exists: is it meant?)")
        }
    }

    case zoneMissing(UnknownName)
    case gateMissing(UnknownName)
    /// A list names zones that do not exist.
    case zonesMissing([UnknownName])
    /// A new zone or gate has nearly the name of an existing one.
    case nameResembles(Place, UnknownName)
    /// A new zone or gate has the name of an existing one, apart from case, blanks or Unicode form.
    case nameLooksEqual(Place, String, existing: String)
    /// A zone or gate that other objects refer to. The texts name them.
    case placeInUse(Place, String, by: [String])
    /// Tags were made with another event key. The texts are `EventKey.fingerprint`.
    case keyDiffers(event: String, given: String)
    /// Tags are registered, and nothing shows that they were made with the given key.
    case keyUnproved(tags: Int, event: String?, given: String)
    /// Tags are registered, and their IDs were made under the present rule for codes.
    case codeCaseInUse(tags: Int, CodeCase, wanted: CodeCase)
    /// The text is not the name of a time zone. The texts are names that may be meant.
    case invalidTimeZone(String, near: [String])
    /// The event has another UUID, and a snapshot with it was published.
    case eventHasID(String)
    /// The text is not a UUID.
    case invalidEventID(String)
    /// The gate does not exist, and no zone was given to create it with.
    case gateNeedsZone(String)
    /// The gate exists, and leads into another zone than the given one.
    case gateLeadsInto(zone: String, gate: String, given: String)
    /// A zone was given without the gate that leads into it.
    case zoneNeedsGate
    case scannerMissing(ScannerID)
    /// The first change of the event must give its name.
    case eventNameMissing
    /// The text is not a time of day.
    case invalidTime(String)
    case invalidPolicy
    /// A new name that is empty or misleading. The texts are what has the name, the name, and the rule that it breaks.
    case invalidName(String, String, String)
    case tagMissing(TagID)
    /// The new tag has another owner.
    case tagTaken(owner: String, attendee: String)
    case tagReplacesItself
    /// No person matches the text.
    case attendeeMissing(UnknownName)
    /// No person has this attendee id.
    case attendeeIDMissing(Int64)
    /// Several people match the text.
    case attendeeAmbiguous(String, [FoundAttendee], more: Bool)
    /// The person has no valid ticket. The text is the name.
    case attendeeVoid(String)
    /// The text to search for is too long.
    case searchTooLong
    case passMissing(UnknownName)
    /// An unnamed pass that a CSV list cannot express.
    case passNeedsName(id: Int64, opensNothing: Bool)
    /// The list would remove too many entries.
    case shrinks(ImportOptions.Removal, count: Int, of: Int)
    /// The list has no column of tags, so tags cannot be replaced by it.
    case tagColumnMissing
    /// Another transaction held the attendees or tags too long.
    case locked(limitS: Int)
    /// A constraint of the database rejected the change. The text says which rule.
    case constraint(String)

    /// `configuration` if a setting is missing, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .eventNameMissing, .zoneNeedsGate, .keyDiffers, .keyUnproved, .codeCaseInUse, .invalidTimeZone:
            .configuration
        default: .failure
        }
    }

    /// What is wrong, and what to correct. It names no command or option of a program.
    package var description: String {
        switch self {
        case .zoneMissing(let unknown): "there is no zone \(unknown.text)"
        case .gateMissing(let unknown): "there is no gate \(unknown.text)"
        case .zonesMissing(let unknown): RegistryError.text(zonesMissing: unknown)
        case .nameResembles(let place, let unknown):
            "there is no \(place.rawValue) \(unknown.text); nothing was stored"
        case .nameLooksEqual(let place, let name, let existing):
            "the name '\(name.visible)' differs from the existing \(place.rawValue) '\(existing.visible)' only in case, "
                + "blanks or Unicode form: use the existing \(place.rawValue), or a name that people can tell apart; "
                + "nothing was stored"
        case .placeInUse(let place, let name, let users):
            "\(place.rawValue) '\(name)' is in use: \(users.joined(separator: "; ")); it was not removed"
        case .keyDiffers(let event, let given):
            "the event key has fingerprint \(given), but the event's tags were made with the key of fingerprint "
                + "\(event): nothing was stored, use the event's key file"
        case .keyUnproved(let tags, let event, let given):
            "\(tags) tags are registered, "
                + (event.map { "and the event's key has fingerprint \($0)" } ?? "and their key is not known")
                + ": nothing shows that they were made with the key of fingerprint \(given). An import of the lists with "
                + "that key proves it; a wrong key makes every tag unknown at the gates; nothing was changed"
        case .codeCaseInUse(let tags, let present, let wanted):
            "\(tags) tags are registered under the rule '\(present.rawValue)' for codes: with '\(wanted.rawValue)', codes "
                + "with capital letters are unknown at the gates until the lists with codes are imported again; "
                + "nothing was changed"
        case .invalidTimeZone(let text, let near): RegistryError.text(timeZone: text, near)
        case .eventHasID(let id): "the event has the ID \(id), which gates may have pinned, so it cannot change"
        case .invalidEventID(let text): "'\(text)' is not a UUID"
        case .gateNeedsZone(let name): "there is no gate '\(name)', and no zone is given to create it with"
        case .gateLeadsInto(let zone, let gate, let given):
            "gate '\(gate)' leads into zone '\(zone)', not '\(given)'"
        case .zoneNeedsGate: "a zone is given without the gate that leads into it"
        case .scannerMissing(let id): "there is no scanner '\(id)'"
        case .eventNameMissing: "the event has no name yet, and none is given"
        case .invalidTime(let text): "'\(text)' is not a time of day (06:00)"
        case .invalidPolicy: "the policy is invalid: \(RegistryError.policyHelp)"
        case .invalidName(let subject, let name, let problem): "the name '\(name)' of the \(subject) \(problem)"
        case .tagMissing(let tag): "no attendee has this tag (tag ID \(tag.rawValue))"
        case .tagTaken(let owner, let attendee): "the new tag already belongs to \(owner), not to \(attendee)"
        case .tagReplacesItself: "the new tag is the old tag"
        case .attendeeMissing(let unknown): "no person is found by \(unknown.text)"
        case .attendeeIDMissing(let id): "there is no attendee with id \(id), or the names were erased"
        case .attendeeAmbiguous(let text, let matches, let more):
            "'\(text)' matches \(more ? "more than " : "")\(matches.count) people; nothing was changed"
        case .attendeeVoid(let name):
            "the ticket of \(name.isEmpty ? "this person" : name) is void, so gates refuse it anyway; nothing was changed"
        case .searchTooLong:
            "the text to search for is too long: at most \(RegistryStore.searchLimit) characters are allowed"
        case .passMissing(let unknown): "there is no pass \(unknown.text)"
        case .passNeedsName(let id, let opensNothing):
            "pass \(id) has no name and "
                + (opensNothing ? "opens no zone" : "is more than a set of zones with equal times")
                + ": give the pass a name, or give its attendees another pass"
        case .shrinks(let removal, let count, let all):
            "the import would make \(count) of \(all) \(removal.effect), more than "
                + "\(ImportOptions.shrinkLimitPercent) %: is the list complete? Nothing was stored"
        case .tagColumnMissing: "the list has no column of tags, so it cannot replace tags; nothing was stored"
        case .locked(let limitS):
            "another transaction held attendees or tags for \(limitS) s (was it left open?): nothing was stored, "
                + "try again"
        case .constraint(let text): text
        }
    }

    /// Kinds of places.
    package enum Place: String, Sendable { case zone, gate }

    /// Maximum number of names in a message.
    private static let namesLimit = 20

    private static func text(zonesMissing unknown: [UnknownName]) -> String {
        let names = unknown.prefix(namesLimit).map(\.text).joined(separator: ", ")
        let more = unknown.count > namesLimit ? ", and \(unknown.count - namesLimit) more" : ""
        return "the list names \(unknown.count == 1 ? "a zone" : "\(unknown.count) zones") that the registry does not "
            + "have: \(names)\(more); nothing was stored"
    }

    private static func text(timeZone text: String, _ near: [String]) -> String {
        "'\(text)' is not a time zone: use the name of a region and a city with a slash, such as Asia/Dubai, or UTC"
            + (near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))")
    }

    private static let policyHelp =
        #"give JSON such as {"antipassback":"timed","minutes":10}; keys are antipassback (off, soft, hard, timed with "#
        + "minutes), debounce_ms, tolerance_s, no_snapshot and expired (admit, deny), uid_only (true, false)"

    /// Translates the errors of the database that a user can correct.
    ///
    /// - Returns: `nil` for any other error.
    init?(_ error: PostgresError) {
        switch (error.sqlState, error.constraint) {
        case (_, "gates_policy_check"): self = .invalidPolicy
        case (_, "gates_check"): self = .constraint("a gate cannot lead into the zone that it leads out to")
        case (_, "zones_name_check"):
            self = .constraint("the name of a zone must not be empty or contain ';', which separates names in imports")
        case (_, "gates_name_check"), (_, "event_name_check"): self = .constraint("the name is empty")
        case (_, "zones_thresholds_check"):
            self = .constraint("a zone cannot be full at a lower percentage than busy: change both")
        case (_, "zones_check"): self = .constraint("a zone cannot lie within itself")
        case ("23505", let key?) where key.hasSuffix("s_name_key"):
            self = .constraint("a \(key.dropLast("s_name_key".count)) of this name exists already")
        case ("23505", _): self = .constraint("it exists already: \(error.detail ?? error.message)")
        case ("23503", _): self = .constraint("it is still in use: \(error.detail ?? error.message)")
        case ("23514", _), ("22023", _): self = .constraint(error.message)
        default: return nil
        }
    }
}
