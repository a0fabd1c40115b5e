package import ScanModel
import Snapshots

/// The verdict of a gate on one tap.
///
/// This type is the only place where a verdict is decided. It is a pure function of `DecisionInput` and allocates
/// nothing. The first rule that applies decides:
///
/// 1. An exit is always admitted, whatever is known of the tag, the gate or the snapshot. A roaming check
///    (inspection) is no passage: it is decided by the snapshot in both directions.
/// 2. Without a usable snapshot, or without a gate for this lane: "no usable snapshot", unless the last known policy of
///    the gate says `no_snapshot: admit`.
/// 3. After the snapshot's expiry, if the policy says `expired: deny`: "no usable snapshot".
/// 4. A chip whose secure message is forged or replayed, or whose UID is random: "not authentic". This rule also
///    applies when rule 2 admits; the rules after it do not.
/// 5. The state of the tag: unknown, lost or replaced, void, blocked.
/// 6. A chip known only by its UID, if the policy says `uid_only: false`: "not authentic". A code is not a UID.
/// 7. The pass: "no access". An access row for a zone opens the gates into that zone and into every zone that contains
///    it. A person in a zone is also in all zones around it. The row opens no gate into a zone inside it.
/// 8. The time of the access rows: "outside time". `tolerance_s` opens earlier and closes later. An untrusted clock
///    neither rejects for time nor finds a snapshot expired.
/// 9. Anti-passback, by the lane's memory: "already inside".
///
/// Then the lane's mode applies. A free lane admits every tap and flags those that the rules reject as operator
/// override. A closed lane rejects every tap and flags those that the rules admit. Neither mode changes exits.
///
/// Source: contract.md sections 2 and 6.
package struct Decision: Hashable, Sendable {
    /// The verdict to journal and to show.
    package let verdict: Verdict
    /// Circumstances of the verdict, journaled with it.
    package let flags: Flags

    /// Creates a decision from its parts.
    package init(verdict: Verdict, flags: Flags) {
        self.verdict = verdict
        self.flags = flags
    }

    /// Decides one tap.
    package init(_ input: DecisionInput) {
        let atS = input.atMs.flooredSeconds
        var flags: Flags = input.direction == .out ? .out : []
        if input.isInspection { flags.insert(.inspection) }
        if !input.clockIsTrusted { flags.insert(.clockNotTrusted) }
        if input.clockIsTrusted, case .usable(let expiresS) = input.snapshot, atS >= expiresS {
            flags.insert(.snapshotExpired)
        }
        guard input.direction == .in || input.isInspection else {
            self.init(verdict: .admitted, flags: flags)
            return
        }
        var verdict = Decision.snapshotVerdict(input, atS, isExpired: flags.contains(.snapshotExpired))
        if verdict == .admitted, let gate = input.gate, input.snapshot != .unusable, !input.isInspection {
            switch Decision.antiPassback(input, gate.policy) {
            case .allowed: break
            case .flagged: flags.insert(.reuse)
            case .rejected: verdict = .alreadyInside
            }
        }
        switch input.mode {
        case .normal: break
        case .free:
            if verdict != .admitted { flags.insert(.operatorOverride) }
            verdict = .admitted
        case .closed where verdict == .admitted:
            verdict = .noAccess
            // The flag means "admitted although inside", and a closed lane does not admit.
            flags.remove(.reuse)
            flags.insert(.operatorOverride)
        case .closed: break
        }
        self.init(verdict: verdict, flags: flags)
    }

    /// Rules 2 to 8: the verdict by the snapshot, before the lane's memory.
    private static func snapshotVerdict(_ input: DecisionInput, _ atS: Int64, isExpired: Bool) -> Verdict {
        guard input.snapshot != .unusable, let gate = input.gate else {
            guard input.gate?.policy.noSnapshot == .admit else { return .noSnapshot }
            return input.isGenuine ? .admitted : .notAuthentic
        }
        if isExpired && gate.policy.expired == .deny { return .noSnapshot }
        guard input.isGenuine else { return .notAuthentic }
        switch input.attendee?.status {
        case nil: return .unknownTag
        case .lost: return .lost
        case .void: return .void
        case .blocked: return .blocked
        case .active: break
        }
        if !gate.policy.uidOnly && input.proof == .uid { return .notAuthentic }
        guard let pass = input.pass else { return .noAccess }
        let tolerance = Int64(gate.policy.toleranceS)
        var hasAccess = false
        for row in pass.access where input.zones.isWithin(row.zone, gate.zone) {
            if !input.clockIsTrusted || row.isOpen(atS, tolerance) { return .admitted }
            hasAccess = true
        }
        return hasAccess ? .outsideTime : .noAccess
    }

    private enum ReentryResult { case allowed, flagged, rejected }

    /// Rule 9: whether a person whom the snapshot admits may enter again.
    private static func antiPassback(_ input: DecisionInput, _ policy: Policy) -> ReentryResult {
        let memory = input.memory
        switch input.pass?.reentry {
        case .free: return .allowed
        case .none? where memory.wasAdmitted: return .rejected
        case .none?, .gate, nil: break
        }
        guard memory.isInside else { return .allowed }
        switch policy.antipassback {
        case .off: return .allowed
        case .soft: return .flagged
        case .hard: return .rejected
        case .timed:
            guard input.clockIsTrusted, let admittedMs = memory.admittedMs, let minutes = policy.minutes else {
                return .allowed
            }
            return (0..<Int64(minutes) * 60_000).contains(input.atMs - admittedMs) ? .rejected : .allowed
        }
    }
}

extension DecisionInput {
    /// Rule 4: whether the identity is a particular tag's.
    fileprivate var isGenuine: Bool {
        switch proof {
        case .forged, .randomUID, .partialUID: false
        case .uid, .code, .authentic: !isReplayed
        }
    }
}

extension Access {
    fileprivate func isOpen(_ atS: Int64, _ tolerance: Int64) -> Bool {
        // The tolerance is applied to the tap's time, because `from` and `until` may be `Int64.min` and `.max`.
        (from.map { $0 <= atS + tolerance } ?? true) && (until.map { atS - tolerance < $0 } ?? true)
    }
}

extension Int64 {
    /// Milliseconds as whole seconds, rounded down.
    fileprivate var flooredSeconds: Int64 { self >= 0 ? self / 1_000 : (self - 999) / 1_000 }
}
