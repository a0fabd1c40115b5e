import AccessControl
import ScanModel
import Snapshots
import Testing

/// The rules of contract.md as an ordered table of conditions and verdicts. It is slow, and independent of the
/// implementation in `Decision`.
private struct Model {
    let input: DecisionInput
    var atS: Int64 { Int64((Double(input.atMs) / 1_000).rounded(.down)) }
    var policy: Policy { input.gate?.policy ?? Policy() }
    var hasNoSnapshot: Bool { input.snapshot == .unusable || input.gate == nil }
    var expired: Bool {
        guard input.clockIsTrusted, case .usable(let expiresS) = input.snapshot else { return false }
        return expiresS <= atS
    }

    /// The zones within each zone, including itself.
    static let inside: [Int64: Set<Int64>] = [site: [site, hall, stage], hall: [hall, stage], stage: [stage]]

    var rows: [Access] {
        input.pass?.access.filter { Model.inside[input.gate!.zone, default: []].contains($0.zone) } ?? []
    }

    func isOpen(_ row: Access) -> Bool {
        let slack = Int64(policy.toleranceS)
        if let from = row.from, from - slack > atS { return false }
        if let until = row.until, until + slack <= atS { return false }
        return true
    }

    /// Whether anti-passback rejects.
    var isReused: Bool {
        if input.isInspection || input.pass?.reentry == .free { return false }
        if input.pass?.reentry == Pass.Reentry.none && input.memory.wasAdmitted { return true }
        guard input.memory.isInside else { return false }
        if policy.antipassback == .hard { return true }
        guard policy.antipassback == .timed, input.clockIsTrusted, let last = input.memory.admittedMs else {
            return false
        }
        return last <= input.atMs && input.atMs < last + Int64(policy.minutes!) * 60_000
    }

    var reasons: [(Bool, Verdict)] {
        let bad = [.forged, .randomUID, .partialUID].contains(input.proof) || input.isReplayed
        if hasNoSnapshot {
            return [(input.gate == nil || policy.noSnapshot == .deny, .noSnapshot), (bad, .notAuthentic)]
        }
        let status = input.attendee?.status
        return [
            (expired && policy.expired == .deny, .noSnapshot),
            (bad, .notAuthentic),
            (status == nil, .unknownTag), (status == .lost, .lost), (status == .void, .void),
            (status == .blocked, .blocked),
            (input.proof == .uid && !policy.uidOnly, .notAuthentic),
            (rows.isEmpty, .noAccess),
            (input.clockIsTrusted && !rows.contains(where: isOpen), .outsideTime),
            (isReused, .alreadyInside),
        ]
    }

    var decision: Decision {
        var flags = Flags()
        if input.direction == .out { flags.insert(.out) }
        if !input.clockIsTrusted { flags.insert(.clockNotTrusted) }
        if expired { flags.insert(.snapshotExpired) }
        if input.isInspection { flags.insert(.inspection) }
        if input.direction == .out && !input.isInspection { return Decision(verdict: .admitted, flags: flags) }
        let rejection = reasons.first { $0.0 }?.1
        let isSoft =
            rejection == nil && !hasNoSnapshot && policy.antipassback == .soft && input.memory.isInside
            && input.pass?.reentry != .free && !input.isInspection
        switch (input.mode, rejection) {
        case (.normal, _), (.free, nil), (.closed, _?):
            if isSoft { flags.insert(.reuse) }
            return Decision(verdict: rejection ?? .admitted, flags: flags)
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
        (.forged, false), (.randomUID, false), (.partialUID, false),
    ]

    /// Combines all policies, passes, states, proofs, modes, clocks and memories that a gate distinguishes.
    @Test(arguments: Policy.Antipassback.allCases)
    func decisionEqualsModelForAllInputs(_ antipassback: Policy.Antipassback) {
        var (count, differences, seen) = (0, 0, Set<Verdict>())
        func compare(_ input: DecisionInput) {
            let (real, model) = (Decision(input), Model(input: input).decision)
            count += 1
            seen.insert(real.verdict)
            guard real != model else { return }
            differences += 1
            if differences <= 3 { Issue.record("\(input): gate \(real), model \(model)") }
        }
        let statuses = Attendee.Status.allCases.map(Optional.some) + [nil]
        let memories = DecisionModelTests.memories.filter { antipassback == .timed || $0.admittedMs == nil }
        for policy in DecisionModelTests.policies where policy.antipassback == antipassback {
            let gate = Gate(id: 7, name: "G", zone: hall, fromZone: site, policy: policy)
            for pass in DecisionModelTests.passes {
                for (proof, isReplayed) in DecisionModelTests.proofs {
                    for bits in 0..<24 {
                        var input = DecisionInput(
                            direction: .in, atMs: (bits & 4 == 0 ? now : expiry) * 1_000,
                            clockIsTrusted: bits & 1 == 0, proof: proof, isReplayed: isReplayed,
                            mode: LaneMode.allCases[bits / 8], isInspection: bits & 2 != 0, gate: gate,
                            snapshot: .usable(expiresS: expiry),
                            attendee: Attendee(status: .active, pass: 1, attendee: 11), pass: pass, zones: tree)
                        for memory in memories {
                            input.memory = memory
                            compare(input)
                        }
                        for status in statuses {
                            input.attendee = status.map { Attendee(status: $0, pass: 1, attendee: 11) }
                            compare(input)
                            var other = input
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
        #expect(count == 8 * 22 * 7 * 24 * (memories.count + 5 * 5))
        #expect(seen.contains(.alreadyInside) && seen.count == 10)
    }

    @Test func circularZonesContainEachOther() {
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
