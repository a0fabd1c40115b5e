public import Scans
public import Snapshots

/// The answer of a gate to one tap: a pure function of what the gate knows.
///
/// In this order, the first that applies:
/// 1. A way out is never refused, whatever is known of the tag, the gate or the snapshot.
/// 2. No snapshot, one that cannot be read, or no gate in it that this lane is: "no usable snapshot", unless the policy of
///    the gate (known from before) admits.
/// 3. A snapshot past its expiry, where the policy says deny: "no usable snapshot".
/// 4. The tag: unknown, lost or replaced, void, blocked.
/// 5. A chip known only by its UID, where the policy takes none: "not authentic".
/// 6. The pass: no access to exactly the gate's zone; access, but at another time. `tolerance_s` opens earlier and closes
///    later. A clock that is not trusted refuses nobody for time, and finds no snapshot expired.
///
/// Anti-passback belongs to the lane's memory, which a later version brings: until then `antipassback` counts as `off`.
public struct Decision: Hashable, Sendable {
    public let verdict: Verdict
    public let flags: Flags

    public init(verdict: Verdict, flags: Flags) { (self.verdict, self.flags) = (verdict, flags) }

    /// What a gate decides from.
    public struct Facts: Sendable {
        public var direction: Direction
        /// Milliseconds since 1970-01-01 UTC: the tap's own time, or the device clock.
        public var atMs: Int64
        public var clockIsTrusted: Bool
        /// The chip proved itself by more than its UID.
        public var isAuthenticated: Bool
        /// What this lane is; nil where the snapshot, or the lane's settings, name none.
        public var gate: Gate?
        public var snapshot: SnapshotState
        /// Nil: not on the list.
        public var attendee: Attendee?
        /// The attendee's pass; nil for one without.
        public var pass: Pass?

        public init(
            direction: Direction, atMs: Int64, clockIsTrusted: Bool = true, isAuthenticated: Bool = false, gate: Gate?,
            snapshot: SnapshotState, attendee: Attendee?, pass: Pass?
        ) {
            (self.direction, self.atMs, self.clockIsTrusted) = (direction, atMs, clockIsTrusted)
            (self.isAuthenticated, self.gate, self.snapshot) = (isAuthenticated, gate, snapshot)
            (self.attendee, self.pass) = (attendee, pass)
        }
    }

    public enum SnapshotState: Hashable, Sendable {
        /// None is there, or the one that is cannot be read.
        case unusable
        /// Seconds since 1970.
        case inForce(expiresS: Int64)
    }

    public init(_ facts: Facts) {
        let atS = facts.atMs.flooredSeconds
        var flags: Flags = facts.direction == .out ? .out : []
        if !facts.clockIsTrusted { flags.insert(.clockNotTrusted) }
        if facts.clockIsTrusted, case .inForce(let expiresS) = facts.snapshot, atS >= expiresS {
            flags.insert(.snapshotExpired)
        }
        self.init(
            verdict: facts.direction == .out
                ? .admitted : Decision.verdict(facts, atS, isExpired: flags.contains(.snapshotExpired)), flags: flags)
    }

    private static func verdict(_ facts: Facts, _ atS: Int64, isExpired: Bool) -> Verdict {
        let policy = facts.gate?.policy ?? Policy()
        guard facts.snapshot != .unusable, let gate = facts.gate else {
            return policy.noSnapshot == .admit ? .admitted : .noSnapshot
        }
        if isExpired && policy.expired == .deny { return .noSnapshot }
        switch facts.attendee?.status {
        case nil: return .unknownTag
        case .lost: return .lost
        case .void: return .void
        case .blocked: return .blocked
        case .active: break
        }
        if !policy.uidOnly && !facts.isAuthenticated { return .notAuthentic }
        let access = facts.pass?.access.filter { $0.zone == gate.zone } ?? []
        guard !access.isEmpty else { return .noAccess }
        let tolerance = Int64(policy.toleranceS)
        let isOpen = access.contains { row in
            // Tolerance goes to the tap's side: a pass may open at the beginning of all times.
            (row.from.map { $0 <= atS + tolerance } ?? true) && (row.until.map { atS - tolerance < $0 } ?? true)
        }
        return isOpen || !facts.clockIsTrusted ? .admitted : .outsideTime
    }
}

extension Int64 {
    /// Of milliseconds.
    fileprivate var flooredSeconds: Int64 { self >= 0 ? self / 1_000 : (self - 999) / 1_000 }
}
