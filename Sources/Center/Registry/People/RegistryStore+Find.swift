import Crypto
import Postgres
import Runtime
package import ScanModel

extension RegistryStore {
    /// Maximum length of a text to search for, in Unicode scalars. The database function has the same limit.
    package static let searchLimit = 200
    /// Maximum number of people in an error that asks for a unique name.
    static let ambiguousLimit = 20
    /// Maximum number of people whose names are compared to find the nearest.
    private static let nearLimit = 5_000

    /// Finds people by a part of name, reference or category, or by a tag.
    ///
    /// - Parameters:
    ///   - text: words that all occur, or a reference, or a tag ID. With a key also a code or a UID.
    ///   - limit: maximum number of people.
    ///   - key: the event key, which gives the tag IDs of codes and UIDs; `nil`: neither is found.
    /// - Throws: `RegistryError.searchTooLong`, `RegistryError.keyDiffers`, `PostgresError`.
    package func findAttendees(_ text: String, atMost limit: Int, key: EventKey? = nil) throws -> FoundAttendees {
        guard text.unicodeScalars.count <= Self.searchLimit else { throw RegistryError.searchTooLong }
        try requireKey(key?.fingerprint)
        let byTag = try owners(of: try keyedTags(text, key)).map(\.attendee)
        let rows = try connection.query(
            """
            SELECT attendee_id, name, category, external_ref, status, tags, matched
            FROM tapline.find_attendees($1, $2)
            """, [.text(text), .int32(Int32(limit + 1))])
        var found = (0..<rows.rowCount).map { row in
            FoundAttendee(
                id: rows.int(row, 0), name: rows.text(row, 1), category: rows.optionalText(row, 2),
                reference: rows.optionalText(row, 3), status: rows.text(row, 4), tags: rows.int(row, 5),
                match: FoundAttendee.Match(rawValue: rows.text(row, 6)) ?? .part)
        }
        let ids = Set(byTag.map(\.id))
        found = byTag + found.filter { !ids.contains($0.id) }
        return FoundAttendees(matches: Array(found.prefix(limit)), more: found.count > limit)
    }

    /// Returns the one person whom a text names.
    ///
    /// A reference decides first, then a tag, then a complete name, and then a part that fits one person only.
    ///
    /// - Throws: `RegistryError.attendeeMissing` with the nearest names and references,
    ///   `RegistryError.attendeeAmbiguous` with the matches, `RegistryError.searchTooLong`, `PostgresError`.
    package func chooseAttendee(_ text: String, key: EventKey? = nil) throws -> ChosenAttendee {
        let found = try findAttendees(text, atMost: Self.ambiguousLimit, key: key)
        for match in [FoundAttendee.Match.reference, .tag, .name] {
            let exact = found.matches.filter { $0.match == match }
            if exact.count == 1 { return ChosenAttendee(attendee: exact[0], tag: try tag(of: exact[0], text, key)) }
            guard exact.isEmpty else { throw RegistryError.attendeeAmbiguous(text, exact, more: found.more) }
        }
        guard let only = found.matches.first else {
            throw RegistryError.attendeeMissing(.init(text, near: try nearNames(text)))
        }
        guard found.matches.count == 1 else {
            throw RegistryError.attendeeAmbiguous(text, found.matches, more: found.more)
        }
        return ChosenAttendee(attendee: only, tag: nil)
    }

    /// Returns the person with an id.
    ///
    /// - Throws: `RegistryError.attendeeIDMissing`, `PostgresError`.
    package func attendee(id: Int64) throws -> FoundAttendee {
        let rows = try connection.query(
            """
            SELECT a.id, a.name, a.category, a.external_ref, a.status,
                (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = a.id)
            FROM tapline.attendees a WHERE a.id = $1
            """, [.int64(id)])
        guard rows.rowCount == 1 else { throw RegistryError.attendeeIDMissing(id) }
        return FoundAttendee(
            id: rows.int(0, 0), name: rows.text(0, 1), category: rows.optionalText(0, 2),
            reference: rows.optionalText(0, 3), status: rows.text(0, 4), tags: rows.int(0, 5), match: .reference)
    }

    /// Returns whether the event's tags can have been made with a key.
    ///
    /// - Throws: `PostgresError`.
    package func permits(_ key: EventKey) throws -> Bool {
        do { try requireKey(key.fingerprint) } catch is RegistryError { return false }
        return true
    }

    /// Returns the tags whose ID, code or UID a text can be, and that no person has.
    ///
    /// - Parameter key: the event key, as for `findAttendees`.
    /// - Throws: `PostgresError`.
    package func strayTags(_ text: String, key: EventKey?) throws -> [TagID] {
        guard text.unicodeScalars.count <= Self.searchLimit else { return [] }
        var tags = try keyedTags(text, key)
        if let id = Int64(text.filter { $0 != " " }) { tags.append(TagID(rawValue: id)) }
        guard !tags.isEmpty else { return [] }
        let rows = try connection.query(
            """
            SELECT DISTINCT tag FROM unnest($1::bigint[]) AS tag
            WHERE NOT EXISTS (SELECT FROM tapline.tags t WHERE t.tag_id = tag) ORDER BY tag
            """, [.int64s(tags.map(\.rawValue))])
        return (0..<rows.rowCount).map { TagID(rawValue: rows.int($0, 0)) }
    }

    // MARK: Tags

    /// Returns the tags whose code or UID a text can be.
    private func keyedTags(_ text: String, _ key: EventKey?) throws -> [TagID] {
        guard let key = key?.with(try codeCase()) else { return [] }
        var identities: [TagIdentity] = []
        if let code = try? CodeText(text) { identities.append(.code(code)) }
        if let uid = Hex.decode(text.filter { !" -:".contains($0) }), ChipUID.lengths.contains(uid.count) {
            identities += [.uid(uid), .sun(uid)]
        }
        return identities.map(key.tagID)
    }

    private func owners(of tags: [TagID]) throws -> [(attendee: FoundAttendee, tag: TagID)] {
        guard !tags.isEmpty else { return [] }
        let rows = try connection.query(
            """
            SELECT DISTINCT ON (a.id) a.id, a.name, a.category, a.external_ref, a.status,
                (SELECT count(*) FROM tapline.tags o WHERE o.attendee_id = a.id), t.tag_id
            FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
            WHERE t.tag_id = ANY ($1) ORDER BY a.id, t.tag_id
            """, [.int64s(tags.map(\.rawValue))])
        return (0..<rows.rowCount).map { row in
            let attendee = FoundAttendee(
                id: rows.int(row, 0), name: rows.text(row, 1), category: rows.optionalText(row, 2),
                reference: rows.optionalText(row, 3), status: rows.text(row, 4), tags: rows.int(row, 5), match: .tag)
            return (attendee, TagID(rawValue: rows.int(row, 6)))
        }
    }

    /// Returns the tag by which a person was found.
    private func tag(of found: FoundAttendee, _ text: String, _ key: EventKey?) throws -> TagID? {
        guard found.match == .tag else { return nil }
        if let keyed = try owners(of: try keyedTags(text, key)).first(where: { $0.attendee.id == found.id }) {
            return keyed.tag
        }
        return Int64(text.filter { $0 != " " }).map(TagID.init(rawValue:))
    }

    // MARK: Typing errors

    /// Returns the names and references that resemble a text that no person has, the nearest first.
    private func nearNames(_ text: String) throws -> [String] {
        // A typing error leaves the first or the last letters of most words as they are.
        let rows = try connection.query(
            """
            WITH words AS (
                SELECT word FROM string_to_table(
                    regexp_replace(btrim(tapline_internal.fold($1)), '\\s+', ' ', 'g'), ' ') AS word
                WHERE length(word) > 2
            ), patterns AS (
                SELECT array_agg('%' || regexp_replace(part, '([\\\\%_])', '\\\\\\1', 'g') || '%') AS parts
                FROM words, LATERAL (VALUES (left(word, 3)), (right(word, 3))) AS ends(part)
            )
            SELECT a.name, coalesce(a.external_ref, ''), split_part(a.search_text, E'\\n', 1), btrim(tapline_internal.fold($1))
            FROM tapline.attendees a, patterns WHERE a.search_text LIKE ANY (patterns.parts) LIMIT $2
            """, [.text(text), .int64(Int64(Self.nearLimit))])
        guard rows.rowCount > 0 else { return [] }
        let wanted = rows.text(0, 3)
        var names: [String: String] = [:]
        for row in 0..<rows.rowCount {
            let (name, folded) = (rows.text(row, 0), rows.text(row, 2))
            let reference = rows.text(row, 1)
            var spellings = [(folded, name), (reference, reference)]
            if !wanted.contains(" ") { spellings += folded.split(separator: " ").map { (String($0), name) } }
            for (spelling, shown) in spellings where !spelling.isEmpty && names[spelling] == nil {
                names[spelling] = shown
            }
        }
        var seen: Set<String> = []
        return NearestName.matches(wanted, in: names.keys, limit: 6).compactMap { names[$0] }
            .filter { seen.insert($0).inserted }.prefix(3).map(\.self)
    }
}
