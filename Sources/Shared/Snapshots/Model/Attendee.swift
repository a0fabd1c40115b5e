/// One row of a snapshot's `attendees`: the data of one tag (contract.md section 6).
package struct Attendee: Hashable, Sendable {
    /// The state of the tag or of the person who wears it, whichever is more restrictive.
    package enum Status: Int64, Sendable, CaseIterable {
        /// The tag may be used.
        case active = 1
        /// The tag or its person is blocked.
        case blocked = 2
        /// The tag is lost or was replaced by another one.
        case lost = 3
        /// The tag is void.
        case void = 4
    }

    /// Whether the tag may be used.
    package let status: Status
    /// Key into `Snapshot.passes`; 0, which is never a key, for an attendee without a pass.
    package let pass: Int64
    /// The person's number in the registration list. Two tags of one person share it.
    package let attendee: Int64

    /// Creates a row. Each parameter is documented at its property.
    package init(status: Status, pass: Int64, attendee: Int64) {
        self.status = status
        self.pass = pass
        self.attendee = attendee
    }
}
