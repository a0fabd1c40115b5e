package import ScanModel
package import Snapshots

/// Everything that a verdict depends on.
package struct DecisionInput: Sendable {
    /// Direction of the tap: entry or exit.
    package var direction: Direction
    /// Time of the tap, or the device clock, in milliseconds since 1970-01-01 UTC.
    package var atMs: Int64
    /// Whether `atMs` can be right.
    package var clockIsTrusted: Bool
    /// The evidence for the tag's identity.
    package var proof: Tap.Proof
    /// Whether the chip's read counter is not above the last one seen: a recorded message is played back.
    package var isReplayed: Bool
    /// Operating mode of the lane.
    package var mode: LaneMode
    /// Whether this is a roaming check without a passage.
    package var isInspection: Bool
    /// The gate of this lane; `nil` if neither the snapshot nor the lane's settings name one.
    package var gate: Gate?
    /// Whether the snapshot can decide.
    package var snapshot: SnapshotValidity
    /// `nil` if the tag is not in the snapshot.
    package var attendee: Attendee?
    /// The attendee's pass; `nil` for an attendee without one.
    package var pass: Pass?
    /// The nesting of the zones, for the pass and the gate.
    package var zones: ZoneTree
    /// Prior presence of the person at this gate on this day.
    package var memory: PriorPresence

    /// Creates an input. Each parameter is documented at its property.
    package init(
        direction: Direction, atMs: Int64, clockIsTrusted: Bool = true, proof: Tap.Proof = .uid,
        isReplayed: Bool = false, mode: LaneMode = .normal, isInspection: Bool = false, gate: Gate?,
        snapshot: SnapshotValidity, attendee: Attendee?, pass: Pass?, zones: ZoneTree = ZoneTree(),
        memory: PriorPresence = PriorPresence()
    ) {
        self.direction = direction
        self.atMs = atMs
        self.clockIsTrusted = clockIsTrusted
        self.proof = proof
        self.isReplayed = isReplayed
        self.mode = mode
        self.isInspection = isInspection
        self.gate = gate
        self.snapshot = snapshot
        self.attendee = attendee
        self.pass = pass
        self.zones = zones
        self.memory = memory
    }
}

/// Operating mode of a lane.
package enum LaneMode: String, Codable, Sendable, CaseIterable {
    case normal
    /// Opened by the supervisor: every tap is admitted and still journaled.
    case free
    /// Entries are rejected. Exits stay open.
    case closed
}

/// Whether the lane has a snapshot to decide from.
package enum SnapshotValidity: Hashable, Sendable {
    /// There is no snapshot, or it cannot be read.
    case unusable
    /// - Parameter expiresS: the snapshot's expiry, in seconds since 1970.
    case usable(expiresS: Int64)
}

/// Prior presence of one person at one gate, on the day of one tap.
package struct PriorPresence: Hashable, Sendable {
    /// Whether the person is in the gate's zone, or in a zone within it.
    package var isInside: Bool
    /// Whether the person was admitted to the zone, or to one within it, on this day. Leaving does not reset it.
    package var wasAdmitted: Bool
    /// Time of the last such admission, in milliseconds since 1970; `nil` if there was none, or if its clock was not
    /// trusted and its age is not known.
    package var admittedMs: Int64?
    /// ID of the gate of the last such admission; `nil` if there was none.
    package var admittedGate: Int64?

    /// Creates a presence. The defaults are those of a person without a scan on this day.
    package init(
        isInside: Bool = false, wasAdmitted: Bool = false, admittedMs: Int64? = nil, admittedGate: Int64? = nil
    ) {
        self.isInside = isInside
        self.wasAdmitted = wasAdmitted
        self.admittedMs = admittedMs
        self.admittedGate = admittedGate
    }
}
