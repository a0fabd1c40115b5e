package import ScanModel
package import Snapshots

/// What a gate decides from.
package struct DecisionInput: Sendable {
    package var direction: Direction
    /// Milliseconds since 1970-01-01 UTC: the tap's own time, or the device clock.
    package var atMs: Int64
    package var clockIsTrusted: Bool
    /// What stands behind the tag's identity.
    package var proof: Tap.Proof
    /// The tag's read counter is not above the one seen last: somebody plays an old message back.
    package var isReplayed: Bool
    package var mode: LaneMode
    /// A roaming check without passage.
    package var isInspection: Bool
    /// What this lane is; nil where the snapshot, or the lane's settings, name none.
    package var gate: Gate?
    package var snapshot: SnapshotValidity
    /// Nil: not on the list.
    package var attendee: Attendee?
    /// The attendee's pass; nil for one without.
    package var pass: Pass?
    package var zones: ZoneTree
    /// What the lane remembers of the person at this gate today.
    package var memory: PriorPresence

    package init(
        direction: Direction, atMs: Int64, clockIsTrusted: Bool = true, proof: Tap.Proof = .uid,
        isReplayed: Bool = false, mode: LaneMode = .normal, isInspection: Bool = false, gate: Gate?,
        snapshot: SnapshotValidity, attendee: Attendee?, pass: Pass?, zones: ZoneTree = ZoneTree(),
        memory: PriorPresence = PriorPresence()
    ) {
        (self.direction, self.atMs, self.clockIsTrusted) = (direction, atMs, clockIsTrusted)
        (self.proof, self.isReplayed, self.mode, self.isInspection) = (proof, isReplayed, mode, isInspection)
        (self.gate, self.snapshot) = (gate, snapshot)
        (self.attendee, self.pass, self.zones, self.memory) = (attendee, pass, zones, memory)
    }
}

package enum SnapshotValidity: Hashable, Sendable {
    /// None is there, or the one that is cannot be read.
    case unusable
    /// Seconds since 1970.
    case inForce(expiresS: Int64)
}

/// What a lane remembers of one person, as seen from one gate on the day of one tap.
package struct PriorPresence: Hashable, Sendable {
    /// The person is in the gate's zone, or in one within it.
    package var isInside: Bool
    /// The person was let into the zone, or into one within it, on this day; whether they left since or not.
    package var wasAdmitted: Bool
    /// When that was last, in milliseconds since 1970; nil if never, or if the clock could not be trusted.
    package var admittedMs: Int64?

    package init(isInside: Bool = false, wasAdmitted: Bool = false, admittedMs: Int64? = nil) {
        (self.isInside, self.wasAdmitted, self.admittedMs) = (isInside, wasAdmitted, admittedMs)
    }
}
