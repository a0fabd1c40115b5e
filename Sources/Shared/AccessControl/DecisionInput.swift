public import Scans
public import Snapshots

extension Decision {
    /// What a gate decides from.
    public struct Facts: Sendable {
        public var direction: Direction
        /// Milliseconds since 1970-01-01 UTC: the tap's own time, or the device clock.
        public var atMs: Int64
        public var clockIsTrusted: Bool
        /// What stands behind the tag's identity.
        public var proof: Tap.Proof
        /// The tag's read counter is not above the one seen last: somebody plays an old message back.
        public var isReplayed: Bool
        public var mode: LaneMode
        /// A roaming check without passage.
        public var isInspection: Bool
        /// What this lane is; nil where the snapshot, or the lane's settings, name none.
        public var gate: Gate?
        public var snapshot: SnapshotState
        /// Nil: not on the list.
        public var attendee: Attendee?
        /// The attendee's pass; nil for one without.
        public var pass: Pass?
        public var zones: ZoneTree
        /// What the lane remembers of the person at this gate today.
        public var memory: Recollection

        public init(
            direction: Direction, atMs: Int64, clockIsTrusted: Bool = true, proof: Tap.Proof = .uid,
            isReplayed: Bool = false, mode: LaneMode = .normal, isInspection: Bool = false, gate: Gate?,
            snapshot: SnapshotState, attendee: Attendee?, pass: Pass?, zones: ZoneTree = ZoneTree(),
            memory: Recollection = Recollection()
        ) {
            (self.direction, self.atMs, self.clockIsTrusted) = (direction, atMs, clockIsTrusted)
            (self.proof, self.isReplayed, self.mode, self.isInspection) = (proof, isReplayed, mode, isInspection)
            (self.gate, self.snapshot) = (gate, snapshot)
            (self.attendee, self.pass, self.zones, self.memory) = (attendee, pass, zones, memory)
        }
    }

    public enum SnapshotState: Hashable, Sendable {
        /// None is there, or the one that is cannot be read.
        case unusable
        /// Seconds since 1970.
        case inForce(expiresS: Int64)
    }

    /// What a lane remembers of one person, as seen from one gate on the day of one tap.
    public struct Recollection: Hashable, Sendable {
        /// The person is in the gate's zone, or in one within it.
        public var isInside: Bool
        /// The person was let into the zone, or into one within it, on this day; whether they left since or not.
        public var wasAdmitted: Bool
        /// When that was last, in milliseconds since 1970; nil if never, or if the clock could not be trusted.
        public var admittedMs: Int64?

        public init(isInside: Bool = false, wasAdmitted: Bool = false, admittedMs: Int64? = nil) {
            (self.isInside, self.wasAdmitted, self.admittedMs) = (isInside, wasAdmitted, admittedMs)
        }
    }
}
