import Postgres
package import RegistrationLists
package import ScanModel

extension RegistryStore {
    /// Sets the status of a tag. Gates apply it with their next snapshot.
    ///
    /// - Parameter keyFingerprint: `EventKey.fingerprint` of the key that the tag ID was made with; `nil`: no key made it.
    /// - Returns: the name of the attendee.
    /// - Throws: `RegistryError.tagMissing`, `RegistryError.keyDiffers`, `PostgresError`.
    package func setTag(_ tag: TagID, _ status: TagStatus, keyFingerprint: String? = nil) throws -> String {
        try change {
            try requireKey(keyFingerprint)
            let (_, name) = try owner(tag)
            try connection.query(
                "UPDATE tapline.tags SET status = $2 WHERE tag_id = $1", [.int64(tag.rawValue), .text(status.rawValue)])
            if let keyFingerprint { try noteKey(keyFingerprint) }
            return name
        }
    }

    /// Makes a tag lost, and gives its attendee another one.
    ///
    /// - Parameters:
    ///   - keyFingerprint: as in `setTag`, of any of the two tags.
    ///   - provesKey: whether the old tag was made with that key. Only a registered tag proves a key.
    /// - Returns: the name of the attendee.
    /// - Throws: `RegistryError` if the old tag is unknown, or if the tags are the same; also if the new tag belongs to
    ///   another attendee. `PostgresError`.
    package func replaceTag(
        _ old: TagID, by new: TagID, keyFingerprint: String? = nil, provesKey: Bool = true
    ) throws -> String {
        try change {
            try requireKey(keyFingerprint)
            guard old != new else { throw RegistryError.tagReplacesItself }
            let (attendee, name) = try owner(old)
            let taken = try connection.query(
                """
                SELECT a.id, a.name FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
                WHERE t.tag_id = $1
                """, [.int64(new.rawValue)])
            guard taken.rowCount == 0 || taken.int(0, 0) == attendee else {
                throw RegistryError.tagTaken(owner: taken.text(0, 1), attendee: name)
            }
            try connection.query("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = $1", [.int64(old.rawValue)])
            try connection.query(
                """
                INSERT INTO tapline.tags (tag_id, attendee_id) VALUES ($1, $2)
                ON CONFLICT (tag_id) DO UPDATE SET status = 'active'
                """, [.int64(new.rawValue), .int64(attendee)])
            if provesKey, let keyFingerprint { try noteKey(keyFingerprint) }
            return name
        }
    }

    private func owner(_ tag: TagID) throws -> (attendee: Int64, name: String) {
        let found = try connection.query(
            """
            SELECT a.id, a.name FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
            WHERE t.tag_id = $1 FOR UPDATE OF t
            """, [.int64(tag.rawValue)])
        guard found.rowCount == 1 else { throw RegistryError.tagMissing(tag) }
        return (found.int(0, 0), found.text(0, 1))
    }
}
