/// What a gate learns of a tag: one row of a snapshot's `attendees`.
public struct Attendee: Hashable, Sendable {
    /// The state of the tag and of the person who wears it, the graver of both.
    public enum Status: Int64, Sendable, CaseIterable {
        case active = 1
        case blocked = 2
        /// The tag is lost or was replaced by another.
        case lost = 3
        case void = 4
    }

    public let status: Status
    /// Key into `Snapshot.passes`; 0, which is never a pass, for an attendee without one.
    public let pass: Int64
    /// The number of the person on the registration list; two tags of one person share it.
    public let attendee: Int64

    public init(status: Status, pass: Int64, attendee: Int64) {
        (self.status, self.pass, self.attendee) = (status, pass, attendee)
    }
}
