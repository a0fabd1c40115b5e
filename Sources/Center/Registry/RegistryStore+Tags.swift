import CLI
import Postgres
package import RegistrationLists
package import ScanModel

extension RegistryStore {
    /// Takes a tag out of use (or back into it); gates know with their next snapshot.
    /// - Returns: the attendee's name.
    package func setTag(_ tag: TagID, _ status: TagStatus) throws -> String {
        try change {
            let (_, name) = try owner(tag)
            try connection.query(
                "UPDATE tapline.tags SET status = $2 WHERE tag_id = $1", [.int64(tag.rawValue), .text(status.rawValue)])
            return name
        }
    }

    /// Gives the attendee of a lost tag a new one.
    /// - Returns: the attendee's name.
    package func replaceTag(_ old: TagID, by new: TagID) throws -> String {
        try change {
            guard old != new else { throw ProgramError.usage("the new tag is the old one") }
            let (attendee, name) = try owner(old)
            let taken = try connection.query(
                """
                SELECT a.id, a.name FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
                WHERE t.tag_id = $1
                """, [.int64(new.rawValue)])
            guard taken.rowCount == 0 || taken.int(0, 0) == attendee else {
                throw ProgramError.failed("the new tag belongs to \(taken.text(0, 1)) already, not to \(name)")
            }
            try connection.query("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = $1", [.int64(old.rawValue)])
            try connection.query(
                """
                INSERT INTO tapline.tags (tag_id, attendee_id) VALUES ($1, $2)
                ON CONFLICT (tag_id) DO UPDATE SET status = 'active'
                """, [.int64(new.rawValue), .int64(attendee)])
            return name
        }
    }

    private func owner(_ tag: TagID) throws -> (attendee: Int64, name: String) {
        let found = try connection.query(
            """
            SELECT a.id, a.name FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
            WHERE t.tag_id = $1 FOR UPDATE OF t
            """, [.int64(tag.rawValue)])
        guard found.rowCount == 1 else {
            throw ProgramError.failed("no attendee has this tag (tag ID \(tag.rawValue))")
        }
        return (found.int(0, 0), found.text(0, 1))
    }
}
