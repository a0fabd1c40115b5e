/// What a gate learns of a tag: one row of a snapshot's `attendees`.
package struct Attendee: Hashable, Sendable {
    /// The state of the tag and of the person who wears it, the graver of both.
    package enum Status: Int64, Sendable, CaseIterable {
        case active = 1
        case blocked = 2
        /// The tag is lost or was replaced by another.
        case lost = 3
        case void = 4
    }

    package let status: Status
    /// Key into `Snapshot.passes`; 0, which is never a pass, for an attendee without one.
    package let pass: Int64
    /// The number of the person on the registration list; two tags of one person share it.
    package let attendee: Int64

    package init(status: Status, pass: Int64, attendee: Int64) {
        (self.status, self.pass, self.attendee) = (status, pass, attendee)
    }
}
