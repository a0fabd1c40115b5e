package import ScanModel
package import Snapshots

/// Why a gate refused a stored scan.
///
/// A scan has its verdict and no reason. So the decision is made again, from the snapshot that the gate had. If the
/// result is the stored verdict, the reason of the new decision is that of the gate.
package struct RefusalExplanation: Hashable, Sendable {
    /// The stored facts of a refused scan.
    package struct Scan: Hashable, Sendable {
        /// The tag.
        package let tag: TagID
        /// ID of the gate; `nil`: the lane had none.
        package let gate: Int64?
        /// Device clock at the tap, in milliseconds since 1970.
        package let atMs: Int64
        /// The stored verdict.
        package let verdict: Verdict
        /// The stored flags.
        package let flags: Flags
        /// Time of the person's last counting admission before, in milliseconds since 1970; `nil`: none is known.
        package let admittedBeforeMs: Int64?

        /// Creates a scan. Each parameter is documented at its property.
        package init(
            tag: TagID, gate: Int64?, atMs: Int64, verdict: Verdict, flags: Flags, admittedBeforeMs: Int64?
        ) {
            self.tag = tag
            self.gate = gate
            self.atMs = atMs
            self.verdict = verdict
            self.flags = flags
            self.admittedBeforeMs = admittedBeforeMs
        }
    }

    /// The reason.
    package let reason: Reason
    /// Whether a new decision gave the stored verdict. Otherwise the reason is the meaning of the verdict alone.
    package let isReplayed: Bool

    /// Explains a scan.
    ///
    /// - Parameters:
    ///   - scan: a scan with a verdict from 1 to 63.
    ///   - snapshot: the snapshot that the gate had; `nil` if it is not stored any more.
    /// - Throws: `SQLiteError` if the snapshot cannot be read.
    package init(_ scan: Scan, snapshot: Snapshot?) throws {
        guard let snapshot, let gate = scan.gate.flatMap({ snapshot.gates[$0] }) else {
            self.init(meaningOf: scan)
            return
        }
        let attendee = try snapshot.attendee(scan.tag)
        let isClosed = scan.flags.contains(.operatorOverride) && scan.verdict == .noAccess
        let wasInside = scan.verdict == .alreadyInside
        let input = DecisionInput(
            direction: scan.flags.contains(.out) ? .out : .in, atMs: scan.atMs,
            clockIsTrusted: !scan.flags.contains(.clockNotTrusted),
            // The proof is not stored. A code is no UID and has no message, so no rule about proofs applies to it.
            proof: .code, mode: isClosed ? .closed : .normal, isInspection: scan.flags.contains(.inspection),
            gate: gate,
            snapshot: .usable(expiresS: snapshot.expiresS), attendee: attendee,
            pass: attendee.flatMap { snapshot.passes[$0.pass] }, zones: snapshot.zoneTree,
            memory: wasInside
                ? PriorPresence(isInside: true, wasAdmitted: true, admittedMs: scan.admittedBeforeMs ?? scan.atMs)
                : PriorPresence())
        let decision = Decision(input)
        guard decision.verdict == scan.verdict else {
            self.init(meaningOf: scan)
            return
        }
        self.init(Reason(decision, input, zones: snapshot.zones), isReplayed: true)
    }

    private init(_ reason: Reason, isReplayed: Bool) {
        self.reason = reason
        self.isReplayed = isReplayed
    }

    /// Explains a scan by its verdict alone.
    package init(meaningOf scan: Scan) {
        (reason, isReplayed) = (RefusalExplanation.meaning(of: scan.verdict), false)
    }

    /// Returns what a verdict means, without a snapshot.
    private static func meaning(of verdict: Verdict) -> Reason {
        switch verdict {
        case .unknownTag: Reason(.unknown, "the tag was not in the snapshot of the gate")
        case .blocked: Reason(.blocked, "the attendee was blocked")
        case .noAccess: Reason(.noAccess, "the pass did not open this gate, or the lane was closed by its operator")
        case .outsideTime: Reason(.outsideTime, "the pass opened this gate at other times only")
        case .alreadyInside: Reason(.antipassback, "admitted before, without an exit since")
        case .noSnapshot: Reason(.noSnapshot, "the lane had no usable snapshot, or no gate")
        case .notAuthentic:
            Reason(
                .notAuthentic,
                "the chip did not prove its identity: a forged or repeated message, a random UID, or a UID alone where "
                    + "the gate's policy says uid_only: false")
        case .lost: Reason(.lost, "the tag was lost, or replaced by another")
        case .void: Reason(.void, "the tag, or the attendee's ticket, was void")
        default: Reason(.other, verdict.name)
        }
    }
}
