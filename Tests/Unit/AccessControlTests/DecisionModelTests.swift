import AccessControl
import ScanModel
import Snapshots
import Testing

/// What SPEC.md and the decision's own description say, once more, as a list of reasons, from what weighs most to what
/// weighs least: slow, and written without a look at how the gate does it.
private struct Model {
    let facts: DecisionInput
    var atS: Int64 { Int64((Double(facts.atMs) / 1_000).rounded(.down)) }
    var policy: Policy { facts.gate?.policy ?? Policy() }
    var isListless: Bool { facts.snapshot == .unusable || facts.gate == nil }
    var expired: Bool {
        guard facts.clockIsTrusted, case .usable(let expiresS) = facts.snapshot else { return false }
        return expiresS <= atS
    }

    /// Zones that contain each other, as this file's world has them.
    static let inside: [Int64: Set<Int64>] = [site: [site, hall, stage], hall: [hall, stage], stage: [stage]]

    var rows: [Access] {
        facts.pass?.access.filter { Model.inside[facts.gate!.zone, default: []].contains($0.zone) } ?? []
    }

    func isOpen(_ row: Access) -> Bool {
        let slack = Int64(policy.toleranceS)
        if let from = row.from, from - slack > atS { return false }
        if let until = row.until, until + slack <= atS { return false }
        return true
    }

    /// Whether anti-passback refuses.
    var isReused: Bool {
        if facts.isInspection || facts.pass?.reentry == .free { return false }
        if facts.pass?.reentry == Pass.Reentry.none && facts.memory.wasAdmitted { return true }
        guard facts.memory.isInside else { return false }
        if policy.antipassback == .hard { return true }
        guard policy.antipassback == .timed, facts.clockIsTrusted, let last = facts.memory.admittedMs else {
            return false
        }
        return last <= facts.atMs && facts.atMs < last + Int64(policy.minutes!) * 60_000
    }

    var reasons: [(Bool, Verdict)] {
        let bad = facts.proof == .forged || facts.proof == .randomUID || facts.isReplayed
        if isListless {
            return [(facts.gate == nil || policy.noSnapshot == .deny, .noSnapshot), (bad, .notAuthentic)]
        }
        let status = facts.attendee?.status
        return [
            (expired && policy.expired == .deny, .noSnapshot),
            (bad, .notAuthentic),
            (status == nil, .unknownTag), (status == .lost, .lost), (status == .void, .void),
            (status == .blocked, .blocked),
            (facts.proof == .uid && !policy.uidOnly, .notAuthentic),
            (rows.isEmpty, .noAccess),
            (facts.clockIsTrusted && !rows.contains(where: isOpen), .outsideTime),
            (isReused, .alreadyInside),
        ]
    }

    var decision: Decision {
        var flags = Flags()
        if facts.direction == .out { flags.insert(.out) }
        if !facts.clockIsTrusted { flags.insert(.clockNotTrusted) }
        if expired { flags.insert(.snapshotExpired) }
        if facts.isInspection { flags.insert(.inspection) }
        if facts.direction == .out && !facts.isInspection { return Decision(verdict: .admitted, flags: flags) }
        let refusal = reasons.first { $0.0 }?.1
        let isSoft =
            refusal == nil && !isListless && policy.antipassback == .soft && facts.memory.isInside
            && facts.pass?.reentry != .free && !facts.isInspection
        switch (facts.mode, refusal) {
        case (.normal, _), (.free, nil), (.closed, _?):
            if isSoft { flags.insert(.reuse) }
            return Decision(verdict: refusal ?? .admitted, flags: flags)
        case (.free, _?): return Decision(verdict: .admitted, flags: flags.union(.operatorOverride))
        case (.closed, nil): return Decision(verdict: .noAccess, flags: flags.union(.operatorOverride))
        }
    }
}

private let site: Int64 = 1
private let hall: Int64 = 2
private let stage: Int64 = 3
private let elsewhere: Int64 = 4
private let now: Int64 = 1_795_464_000
private let expiry: Int64 = now + 86_400

private let tree = ZoneTree([
    site: Zone(id: site, name: "Site"), hall: Zone(id: hall, name: "Hall", parent: site),
    stage: Zone(id: stage, name: "Stage", parent: hall), elsewhere: Zone(id: elsewhere, name: "Elsewhere"),
])

@Suite struct DecisionModelTests {
    private static var policies: [Policy] {
        var policies: [Policy] = []
        for antipassback in Policy.Antipassback.allCases {
            for bits in 0..<8 {
                var policy = Policy()
                policy.antipassback = antipassback
                policy.minutes = antipassback == .timed ? 10 : nil
                policy.noSnapshot = bits & 1 == 0 ? .admit : .deny
                policy.expired = bits & 2 == 0 ? .admit : .deny
                policy.uidOnly = bits & 4 == 0
                policy.toleranceS = bits & 1 == 0 ? 60 : 0
                policies.append(policy)
            }
        }
        return policies
    }

    private static var passes: [Pass?] {
        let rows: [[Access]] = [
            [], [Access(zone: elsewhere)], [Access(zone: site)], [Access(zone: hall)], [Access(zone: stage)],
            [Access(zone: hall, from: now + 60), Access(zone: elsewhere)],
            [Access(zone: site), Access(zone: stage, until: now)],
        ]
        return [nil]
            + rows.flatMap { access in
                Pass.Reentry.allCases.map { Pass(id: 1, reentry: $0, access: access) }
            }
    }

    private static var memories: [PriorPresence] {
        [nil, now * 1_000 - 599_999, now * 1_000 - 600_000, now * 1_000, now * 1_000 + 1].flatMap { admitted in
            [(false, false), (true, false), (false, true), (true, true)].map {
                PriorPresence(isInside: $0.0, wasAdmitted: $0.1, admittedMs: admitted)
            }
        }
    }

    private static let proofs: [(Tap.Proof, Bool)] = [
        (.uid, false), (.code, false), (.authentic(counter: 3), false), (.authentic(counter: 3), true),
        (.forged, false), (.randomUID, false),
    ]

    /// Every policy, pass, status, proof, mode, clock and memory that differ to a gate, with every other.
    @Test(arguments: Policy.Antipassback.allCases)
    func theGateAndTheModelAgreeOnEverything(_ antipassback: Policy.Antipassback) {
        var (count, differences, seen) = (0, 0, Set<Verdict>())
        func compare(_ facts: DecisionInput) {
            let (real, model) = (Decision(facts), Model(facts: facts).decision)
            count += 1
            seen.insert(real.verdict)
            guard real != model else { return }
            differences += 1
            if differences <= 3 { Issue.record("\(facts): gate \(real), model \(model)") }
        }
        let statuses = Attendee.Status.allCases.map(Optional.some) + [nil]
        let memories = DecisionModelTests.memories.filter { antipassback == .timed || $0.admittedMs == nil }
        for policy in DecisionModelTests.policies where policy.antipassback == antipassback {
            let gate = Gate(id: 7, name: "G", zone: hall, fromZone: site, policy: policy)
            for pass in DecisionModelTests.passes {
                for (proof, isReplayed) in DecisionModelTests.proofs {
                    for bits in 0..<24 {
                        var facts = DecisionInput(
                            direction: .in, atMs: (bits & 4 == 0 ? now : expiry) * 1_000,
                            clockIsTrusted: bits & 1 == 0, proof: proof, isReplayed: isReplayed,
                            mode: LaneMode.allCases[bits / 8], isInspection: bits & 2 != 0, gate: gate,
                            snapshot: .usable(expiresS: expiry),
                            attendee: Attendee(status: .active, pass: 1, attendee: 11), pass: pass, zones: tree)
                        for memory in memories {
                            facts.memory = memory
                            compare(facts)
                        }
                        for status in statuses {
                            facts.attendee = status.map { Attendee(status: $0, pass: 1, attendee: 11) }
                            compare(facts)
                            var other = facts
                            other.direction = .out
                            compare(other)
                            other.direction = .in
                            other.snapshot = .unusable
                            compare(other)
                            other.gate = nil
                            compare(other)
                            other.snapshot = .usable(expiresS: expiry)
                            compare(other)
                        }
                    }
                }
            }
        }
        #expect(differences == 0)
        #expect(count == 8 * 22 * 6 * 24 * (memories.count + 5 * 5))
        #expect(seen.contains(.alreadyInside) && seen.count == 10)
    }

    @Test func zonesInACircleEndNoGate() {
        let circle = ZoneTree([
            1: Zone(id: 1, name: "A", parent: 2), 2: Zone(id: 2, name: "B", parent: 3),
            3: Zone(id: 3, name: "C", parent: 2),
            4: Zone(id: 4, name: "D", parent: 4), 5: Zone(id: 5, name: "E", parent: 99),
        ])
        #expect(circle.isWithin(1, 3) && circle.isWithin(2, 3) && circle.isWithin(3, 2))
        #expect(!circle.isWithin(2, 1) && !circle.isWithin(4, 1))
        #expect(circle.isWithin(4, 4) && circle.isWithin(77, 77) && circle.isWithin(5, 99))
    }
}
