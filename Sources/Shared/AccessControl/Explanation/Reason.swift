import ScanModel
package import Snapshots

/// The reason of a verdict, in words.
///
/// `Decision` determines the verdict. This type only determines which part of the input led to it.
package struct Reason: Hashable, Sendable {
    /// The rule that determined the verdict, in JSON output.
    package enum Rule: String, CaseIterable, Sendable {
        case wayOut = "way-out"
        case open
        case expired
        case uidOnly = "uid-only"
        case unknown
        case lost
        case void
        case blocked
        case noPass = "no-pass"
        case noAccess = "no-access"
        case outsideTime = "outside-time"
        case oneEntry = "one-entry"
        case antipassback
        case laneClosed = "lane-closed"
        case noSnapshot = "no-snapshot"
        case notAuthentic = "not-authentic"
        case other
    }

    /// The rule that determined the verdict.
    package let rule: Rule
    /// The rule in words, with the part of the input that led to it: the end of a sentence.
    package let text: String

    /// Creates a reason from its parts.
    init(_ rule: Rule, _ text: String) {
        self.rule = rule
        self.text = text
    }

    /// Names the part of an input that led to a decision.
    ///
    /// - Parameters:
    ///   - decision: the decision on this input.
    ///   - input: the input of the decision, with a gate.
    ///   - zones: all zones of the snapshot, for their names.
    package init(_ decision: Decision, _ input: DecisionInput, zones: [Int64: Zone]) {
        let words = Words(input: input, zones: zones)
        let (rule, text) = words.why(decision)
        self.rule = rule
        guard decision.flags.contains(.snapshotExpired), input.gate?.policy.expired == .admit else {
            self.text = text
            return
        }
        self.text = text + "; the snapshot has expired (\(words.expiry)), which the gate's policy admits"
    }
}

private struct Words {
    let input: DecisionInput
    let zones: [Int64: Zone]

    func why(_ decision: Decision) -> (Reason.Rule, String) {
        switch decision.verdict {
        case .admitted where input.direction == .out && !input.isInspection:
            (.wayOut, "an exit is never rejected")
        case .admitted: (.open, admitted(decision))
        case .noSnapshot where decision.flags.contains(.snapshotExpired):
            (.expired, "the snapshot has expired (\(expiry)), and the gate's policy says expired: deny")
        case .notAuthentic where input.proof == .uid:
            (.uidOnly, "the chip is known only by its UID, and the gate's policy says uid_only: false")
        case .unknownTag: (.unknown, "the tag is not in this snapshot")
        case .lost: (.lost, "the tag is lost, or was replaced by another")
        case .void: (.void, "the tag, or the attendee's ticket, is void")
        case .blocked: (.blocked, "the attendee is blocked")
        case .noAccess where decision.flags.contains(.operatorOverride):
            (.laneClosed, "the lane was closed by its operator")
        case .noAccess: noAccess
        case .outsideTime: (.outsideTime, outsideTime)
        case .alreadyInside: alreadyInside
        // Verdicts about the reading of a tag; they cannot occur here.
        default: (.other, decision.verdict.name)
        }
    }

    var expiry: String {
        guard case .usable(let expiresS) = input.snapshot else { return "" }
        return "at \(Explanation.instant(expiresS))"
    }

    private var pass: String { input.pass.map { Explanation.name($0) } ?? "no pass" }
    private var gateZone: Int64 { input.gate?.zone ?? 0 }

    private func name(_ zone: Int64) -> String { Explanation.name(zone, zones) }

    /// The access rows that open this gate, at any time.
    private var rows: [Access] {
        (input.pass?.access ?? []).filter { input.zones.isWithin($0.zone, gateZone) }
    }

    private func admitted(_ decision: Decision) -> String {
        // The first row that admits without the others.
        let row = rows.first { row in
            var alone = input
            alone.pass = input.pass.map { Pass(id: $0.id, reentry: $0.reentry, access: [row]) }
            return Decision(alone).verdict == .admitted
        }
        let opens = row.map { opening($0) } ?? "opens the gate"
        let again =
            decision.flags.contains(.reuse) ? "; already inside, which the gate's policy only flags (soft)" : ""
        return "\(pass) \(opens)\(again)"
    }

    private func opening(_ row: Access) -> String {
        let within = row.zone == gateZone ? "" : ", which lies in \(name(gateZone))"
        return "opens \(name(row.zone))\(within) \(Explanation.times(row))"
    }

    private var noAccess: (Reason.Rule, String) {
        guard let held = input.pass else { return (.noPass, "the attendee has no pass") }
        guard !held.access.isEmpty else { return (.noAccess, "\(pass) opens nothing") }
        var seen: Set<Int64> = []
        let others = held.access.map(\.zone).filter { seen.insert($0).inserted }.map(name)
        return (
            .noAccess,
            "\(pass) opens \(others.joined(separator: ", ")), and this gate leads into \(name(gateZone))"
        )
    }

    private var outsideTime: String {
        let tolerance = Int64(input.gate?.policy.toleranceS ?? 0)
        let atS = input.atMs / 1_000
        let next = rows.compactMap(\.from).map { $0 - tolerance }.filter { $0 > atS }.min()
        let closed = rows.compactMap(\.until).map { $0 + tolerance }.filter { $0 <= atS }.max()
        var text = "\(pass) \(rows.map(opening).joined(separator: ", and "))"
        if tolerance > 0 { text += ", with a tolerance of \(tolerance) s" }
        if let next { return text + ": opens at \(Explanation.instant(next))" }
        return closed.map { text + ": closed since \(Explanation.instant($0))" } ?? text
    }

    private var alreadyInside: (Reason.Rule, String) {
        if input.pass?.reentry == Pass.Reentry.none {
            return (.oneEntry, "\(pass) admits once a day, and the person was admitted")
        }
        let policy = input.gate?.policy
        if policy?.antipassback == .timed, let minutes = policy?.minutes {
            return (
                .antipassback,
                "admitted less than \(minutes) minutes before, without an exit since (antipassback: timed)"
            )
        }
        return (.antipassback, "admitted before, without an exit since (antipassback: hard)")
    }
}
