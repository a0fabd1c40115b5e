import Postgres
package import RegistrationLists
import Runtime
package import ScanModel

/// A person to add to the registration list.
package struct NewAttendee: Sendable {
    /// Name.
    package var name: String
    /// Category; `nil`: none.
    package var category: String?
    /// Reference in another system; `nil`: none.
    package var reference: String?
    /// Name of the pass; `nil`: the person opens nothing.
    package var pass: String?
    /// The tag; `nil`: none yet.
    package var tag: TagID?
    /// `EventKey.fingerprint` of the key that the tag ID was made with; `nil`: no key made it.
    package var keyFingerprint: String?

    /// Creates a person with a name only.
    package init(name: String) { self.name = name }
}

extension RegistryStore {
    /// Adds a person.
    ///
    /// - Returns: the id, and the number of other people with an equal name.
    /// - Throws: `RegistryError.invalidName`, `RegistryError.passMissing`, `RegistryError.tagTaken`,
    ///   `RegistryError.constraint` for a reference that another person has; `PostgresError`.
    package func addAttendee(_ person: NewAttendee) throws -> (id: Int64, namesakes: Int64) {
        try change {
            try requireKey(person.keyFingerprint)
            try Self.check(person)
            let pass = try person.pass.map(passID)
            let made = try connection.query(
                """
                INSERT INTO tapline.attendees (name, category, external_ref, pass_id) VALUES ($1, $2, $3, $4)
                RETURNING id, (SELECT count(*) FROM tapline.attendees
                    WHERE search_text LIKE regexp_replace(tapline_internal.fold($1), '([\\\\%_])', '\\\\\\1', 'g') || E'\\n%')
                """,
                [.text(person.name), .optional(person.category), .optional(person.reference), .optional(pass)])
            let id = made.int(0, 0)
            if let tag = person.tag {
                let isFirst = try !hasTags()
                let taken = try connection.query(
                    """
                    SELECT a.name FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
                    WHERE t.tag_id = $1
                    """, [.int64(tag.rawValue)])
                guard taken.rowCount == 0 else {
                    throw RegistryError.tagTaken(owner: taken.text(0, 0), attendee: person.name)
                }
                try connection.query(
                    "INSERT INTO tapline.tags (tag_id, attendee_id) VALUES ($1, $2)",
                    [.int64(tag.rawValue), .int64(id)])
                if isFirst, let key = person.keyFingerprint { try noteKey(key) }
            }
            return (id, made.int(0, 1))
        }
    }

    private static func check(_ person: NewAttendee) throws {
        try RegistryName.check("person", person.name)
        if let category = person.category { try RegistryName.check("category", category) }
        if let reference = person.reference {
            do throws(CellError) { try RegistrationRow.checkReference(reference) } catch {
                throw RegistryError.invalidName("reference", reference, "\(error)")
            }
        }
    }

    /// Blocks a person, or ends the block. Gates apply it with their next snapshot.
    ///
    /// - Returns: whether it was changed: `false` if the person was blocked, or not blocked, before.
    /// - Throws: `RegistryError.attendeeVoid` for a person without a valid ticket; `PostgresError`.
    package func setBlocked(_ id: Int64, _ isBlocked: Bool) throws -> Bool {
        try change {
            let stored = try connection.query(
                "SELECT status, name FROM tapline.attendees WHERE id = $1 FOR UPDATE", [.int64(id)])
            guard stored.rowCount == 1 else { throw RegistryError.attendeeIDMissing(id) }
            switch (stored.text(0, 0), isBlocked) {
            case ("void", _): throw RegistryError.attendeeVoid(stored.text(0, 1))
            case ("blocked", true), ("active", false): return false
            default:
                try connection.query(
                    "UPDATE tapline.attendees SET status = $2 WHERE id = $1",
                    [.int64(id), .text(isBlocked ? "blocked" : "active")])
                return true
            }
        }
    }

    /// Gives a person another pass.
    ///
    /// - Parameter pass: name of the pass; `nil`: none, and the person opens nothing.
    /// - Throws: `RegistryError.passMissing`, `RegistryError.attendeeIDMissing`, `PostgresError`.
    package func setPass(_ id: Int64, _ pass: String?) throws {
        try change {
            let pass = try pass.map(passID)
            let changed = try connection.query(
                "UPDATE tapline.attendees SET pass_id = $2 WHERE id = $1 AND names_erased_at IS NULL",
                [.int64(id), .optional(pass)])
            guard changed.affectedRows == 1 else { throw RegistryError.attendeeIDMissing(id) }
        }
    }

    /// Erases name, category and reference of a person, and makes the person void.
    ///
    /// Scans and counts stay, under the tag IDs. Snapshots after it have no tag of the person.
    ///
    /// - Returns: `false` if they were erased before.
    /// - Throws: `PostgresError`.
    package func erase(_ id: Int64) throws -> Bool {
        try change {
            try connection.query("SELECT tapline_internal.erase_attendees(ARRAY[$1])", [.int64(id)]).int(0, 0) == 1
        }
    }

    /// Returns the tags of a person in order of their ids.
    ///
    /// - Throws: `PostgresError`.
    package func tags(of id: Int64) throws -> [(tag: TagID, status: TagStatus)] {
        let rows = try connection.query(
            "SELECT tag_id, status FROM tapline.tags WHERE attendee_id = $1 ORDER BY tag_id", [.int64(id)])
        return (0..<rows.rowCount).map { row in
            // A constraint of the column lists the values.
            (TagID(rawValue: rows.int(row, 0)), TagStatus(rawValue: rows.text(row, 1)) ?? .void)
        }
    }

    private func passID(_ name: String) throws -> Int64 {
        let found = try connection.query("SELECT id FROM tapline.passes WHERE name = normalize($1, NFC)", [.text(name)])
        guard found.rowCount == 0 else { return found.int(0, 0) }
        let known = try connection.query("SELECT name FROM tapline.passes WHERE name IS NOT NULL ORDER BY name")
        throw RegistryError.passMissing(
            .init(name, near: NearestName.matches(name, in: (0..<known.rowCount).map { known.text($0, 0) })))
    }
}
