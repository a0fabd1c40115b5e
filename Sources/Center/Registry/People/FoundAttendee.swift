package import ScanModel

/// A person of the registration list who matches a text.
package struct FoundAttendee: Hashable, Sendable, Encodable {
    /// What of the person the text matches.
    package enum Match: String, Hashable, Sendable {
        /// The reference is the text.
        case reference
        /// A tag has the text as its ID, UID or code.
        case tag
        /// The name or the reference is the text, apart from case, diacritics and letter forms.
        case name
        /// All words occur in name, reference or category.
        case part
    }

    /// Attendee id.
    package let id: Int64
    /// Name; empty if it was erased.
    package let name: String
    /// Category; `nil` without one.
    package let category: String?
    /// Reference in the system that made the list; `nil` without one.
    package let reference: String?
    /// `active`, `blocked` or `void`.
    package let status: String
    /// Number of tags.
    package let tags: Int64
    /// What matches the text.
    package let match: Match

    /// Name for people, with the reference, or else the id.
    package var title: String {
        (name.isEmpty ? "a person whose name was erased" : name) + " (" + (reference ?? "id \(id)") + ")"
    }

    private enum Key: String, CodingKey {
        case id, name, category, status, tags
        case reference = "external_ref"
    }

    /// Encodes the members that the contract lists. The synthesized method would omit missing values.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(id, forKey: .id)
        try object.encode(name, forKey: .name)
        try object.encode(category, forKey: .category)
        try object.encode(reference, forKey: .reference)
        try object.encode(status, forKey: .status)
        try object.encode(tags, forKey: .tags)
    }
}

/// The people who match a text, the best matches first.
package struct FoundAttendees: Hashable, Sendable, Encodable {
    /// The matches, up to the limit of the search.
    package let matches: [FoundAttendee]
    /// Whether there are more than the limit.
    package let more: Bool
}

/// One person, and the tag by which the person was found.
package struct ChosenAttendee: Hashable, Sendable {
    /// The person.
    package let attendee: FoundAttendee
    /// The tag whose ID, UID or code is the text; `nil`: the text is a name or a reference.
    package let tag: TagID?

    /// Creates a choice.
    package init(attendee: FoundAttendee, tag: TagID?) {
        self.attendee = attendee
        self.tag = tag
    }
}
