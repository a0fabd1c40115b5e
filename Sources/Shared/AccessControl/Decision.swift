package import ScanModel
import Snapshots

/// The answer of a gate to one tap: a pure function of what the gate knows. Allocates nothing.
///
/// In this order, the first that applies:
/// 1. A way out is never refused, whatever is known of the tag, the gate or the snapshot. A roaming check is no passage: it
///    asks what the list says, whichever way the reader's taps lead.
/// 2. No snapshot, one that cannot be read, or no gate in it that this lane is: "no usable snapshot", unless the policy of
///    the gate (known from before) admits.
/// 3. A snapshot past its expiry, where the policy says deny: "no usable snapshot".
/// 4. A chip whose secure message did not verify, or was played back, or that draws its UID anew each time: "not authentic".
///    Where the policy admits without a snapshot, this still holds, and nothing that follows.
/// 5. The tag: unknown, lost or replaced, void, blocked.
/// 6. A chip known only by its UID, where the policy takes none: "not authentic". A code is not a UID.
/// 7. The pass: no access. A row for a zone opens the gates into that zone and into every zone that contains it, because
///    being in a zone is being in all that contain it; it opens no gate into a zone inside it.
/// 8. Access, but at another time. `tolerance_s` opens earlier and closes later. A clock that is not trusted refuses nobody
///    for time, and finds no snapshot expired.
/// 9. Anti-passback, by the lane's memory: "already inside".
///
/// Then the mode of the lane: free flow admits everybody, and marks with the operator override those whom the rules would
/// have refused; a closed lane refuses with the override whom the rules would have let in. Both leave the way out alone.
package struct Decision: Hashable, Sendable {
    package let verdict: Verdict
    package let flags: Flags

    package init(verdict: Verdict, flags: Flags) { (self.verdict, self.flags) = (verdict, flags) }

    package init(_ facts: DecisionInput) {
        let atS = facts.atMs.flooredSeconds
        var flags: Flags = facts.direction == .out ? .out : []
        if facts.isInspection { flags.insert(.inspection) }
        if !facts.clockIsTrusted { flags.insert(.clockNotTrusted) }
        if facts.clockIsTrusted, case .inForce(let expiresS) = facts.snapshot, atS >= expiresS {
            flags.insert(.snapshotExpired)
        }
        guard facts.direction == .in || facts.isInspection else {
            self.init(verdict: .admitted, flags: flags)
            return
        }
        var verdict = Decision.listed(facts, atS, isExpired: flags.contains(.snapshotExpired))
        if verdict == .admitted, let gate = facts.gate, facts.snapshot != .unusable, !facts.isInspection {
            switch Decision.reuse(facts, gate.policy) {
            case .allowed: break
            case .flagged: flags.insert(.reuse)
            case .refused: verdict = .alreadyInside
            }
        }
        switch facts.mode {
        case .normal: break
        case .free:
            if verdict != .admitted { flags.insert(.operatorOverride) }
            verdict = .admitted
        case .closed where verdict == .admitted:
            verdict = .noAccess
            // "Admitted although inside" is not true of somebody who was not admitted.
            flags.remove(.reuse)
            flags.insert(.operatorOverride)
        case .closed: break
        }
        self.init(verdict: verdict, flags: flags)
    }

    /// What the list says, before the lane's memory is asked.
    private static func listed(_ facts: DecisionInput, _ atS: Int64, isExpired: Bool) -> Verdict {
        guard facts.snapshot != .unusable, let gate = facts.gate else {
            guard facts.gate?.policy.noSnapshot == .admit else { return .noSnapshot }
            return facts.isGenuine ? .admitted : .notAuthentic
        }
        if isExpired && gate.policy.expired == .deny { return .noSnapshot }
        guard facts.isGenuine else { return .notAuthentic }
        switch facts.attendee?.status {
        case nil: return .unknownTag
        case .lost: return .lost
        case .void: return .void
        case .blocked: return .blocked
        case .active: break
        }
        if !gate.policy.uidOnly && facts.proof == .uid { return .notAuthentic }
        guard let pass = facts.pass else { return .noAccess }
        let tolerance = Int64(gate.policy.toleranceS)
        var hasAccess = false
        for row in pass.access where facts.zones.isWithin(row.zone, gate.zone) {
            if !facts.clockIsTrusted || row.isOpen(atS, tolerance) { return .admitted }
            hasAccess = true
        }
        return hasAccess ? .outsideTime : .noAccess
    }

    private enum Reuse { case allowed, flagged, refused }

    /// May the person, whom the list lets in, come in once more?
    private static func reuse(_ facts: DecisionInput, _ policy: Policy) -> Reuse {
        let memory = facts.memory
        switch facts.pass?.reentry {
        case .free: return .allowed
        case .none? where memory.wasAdmitted: return .refused
        case .none?, .gate, nil: break
        }
        guard memory.isInside else { return .allowed }
        switch policy.antipassback {
        case .off: return .allowed
        case .soft: return .flagged
        case .hard: return .refused
        case .timed:
            guard facts.clockIsTrusted, let admittedMs = memory.admittedMs, let minutes = policy.minutes else {
                return .allowed
            }
            return (0..<Int64(minutes) * 60_000).contains(facts.atMs - admittedMs) ? .refused : .allowed
        }
    }
}

extension DecisionInput {
    /// Whether the identity is anybody's at all.
    fileprivate var isGenuine: Bool {
        switch proof {
        case .forged, .randomUID: false
        case .uid, .code, .authentic: !isReplayed
        }
    }
}

extension Access {
    fileprivate func isOpen(_ atS: Int64, _ tolerance: Int64) -> Bool {
        // Tolerance goes to the tap's side: a pass may open at the beginning of all times.
        (from.map { $0 <= atS + tolerance } ?? true) && (until.map { atS - tolerance < $0 } ?? true)
    }
}

extension Int64 {
    /// Of milliseconds.
    fileprivate var flooredSeconds: Int64 { self >= 0 ? self / 1_000 : (self - 999) / 1_000 }
}
