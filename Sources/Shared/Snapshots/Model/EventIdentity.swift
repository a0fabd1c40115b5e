/// The event of a snapshot: a UUID, and a name that is a label.
package struct EventIdentity: Hashable, Sendable, CustomStringConvertible {
    /// The event's name. It may change.
    package let name: String
    /// The event's UUID in lower case; `nil` in snapshots of an older program, and of an event that has none yet.
    package let id: String?

    /// Creates an identity.
    ///
    /// - Parameters:
    ///   - name: the event's name.
    ///   - id: the event's UUID in lower case; `nil` without one.
    package init(name: String, id: String?) {
        self.name = name
        self.id = id
    }

    /// Returns whether both are the same event: by the UUIDs, or by the names if one of them has no UUID.
    package func isSame(as other: EventIdentity) -> Bool {
        guard let id, let otherID = other.id else { return name == other.name }
        return id == otherID
    }

    /// The name, with the UUID.
    package var description: String { "'\(name)'" + (id.map { " (ID \($0))" } ?? "") }

    /// Returns whether a text is a UUID in lower case, such as `6ba7b810-9dad-41d1-80b4-00c04fd430c8`.
    package static func isID(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return groups.map(\.count) == [8, 4, 4, 4, 12]
            && groups.allSatisfy { $0.allSatisfy { (48...57).contains($0) || (97...102).contains($0) } }
    }
}
