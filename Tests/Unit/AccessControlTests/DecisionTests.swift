import AccessControl
import ScanModel
import Snapshots
import Testing

private let hall: Int64 = 3
private let foyer: Int64 = 4
/// 2026-11-23T20:00:00Z in seconds since 1970.
private let now: Int64 = 1_795_464_000
private let expiry: Int64 = now + 86_400

private func gate(_ change: (inout Policy) -> Void = { _ in }) -> Gate {
    var policy = Policy()
    change(&policy)
    return Gate(id: 7, name: "Hall north", zone: hall, fromZone: foyer, policy: policy)
}

private func pass(_ access: Access...) -> Pass { Pass(id: 1, name: "Delegate", access: access) }
private let always = pass(Access(zone: hall))

private func input(
    _ status: Attendee.Status? = .active, _ pass: Pass? = always, gate here: Gate? = gate(), atS: Int64 = now,
    _ change: (inout DecisionInput) -> Void = { _ in }
) -> DecisionInput {
    var input = DecisionInput(
        direction: .in, atMs: atS * 1_000, gate: here, snapshot: .usable(expiresS: expiry),
        attendee: status.map { Attendee(status: $0, pass: 1, attendee: 11) }, pass: pass)
    change(&input)
    return input
}

private func verdict(_ input: DecisionInput) -> Verdict { Decision(input).verdict }

@Suite struct DecisionTests {
    @Test func activeTagWithAccessIsAdmitted() {
        #expect(Decision(input()) == Decision(verdict: .admitted, flags: []))
    }

    @Test func stateOfTheTagDecidesBeforeThePass() {
        #expect(verdict(input(nil, nil)) == .unknownTag)
        for other in [always, pass(), nil] {
            #expect(verdict(input(.blocked, other)) == .blocked)
            #expect(verdict(input(.lost, other)) == .lost)
            #expect(verdict(input(.void, other)) == .void)
        }
    }

    @Test func accessToAnotherZoneIsNoAccess() {
        #expect(verdict(input(.active, nil)) == .noAccess)
        #expect(verdict(input(.active, pass())) == .noAccess)
        #expect(verdict(input(.active, pass(Access(zone: foyer)))) == .noAccess)
        #expect(verdict(input(.active, pass(Access(zone: foyer), Access(zone: hall)))) == .admitted)
    }

    @Test func accessIsLimitedByTime() {
        let window = pass(Access(zone: hall, from: now, until: now + 3_600))
        for (atS, expected) in [
            (now - 1, Verdict.outsideTime), (now, .admitted), (now + 3_599, .admitted), (now + 3_600, .outsideTime),
        ] { #expect(verdict(input(.active, window, atS: atS)) == expected) }
        #expect(verdict(input(.active, window) { $0.atMs = now * 1_000 - 1 }) == .outsideTime)
        #expect(verdict(input(.active, window) { $0.atMs = (now + 3_600) * 1_000 - 1 }) == .admitted)
        // Time matters only if the zone matches.
        #expect(verdict(input(.active, pass(Access(zone: foyer, from: now)), atS: now)) == .noAccess)
        // One open row is enough.
        let two = pass(Access(zone: hall, until: now), Access(zone: hall, from: now + 60))
        #expect(verdict(input(.active, two, atS: now - 1)) == .admitted)
        #expect(verdict(input(.active, two, atS: now + 30)) == .outsideTime)
        #expect(verdict(input(.active, two, atS: now + 60)) == .admitted)
        let endless = pass(Access(zone: hall, from: .min, until: .max))
        #expect(verdict(input(.active, endless)) == .admitted)
    }

    @Test func toleranceOpensEarlierAndClosesLater() {
        let window = pass(Access(zone: hall, from: now, until: now + 3_600))
        let tolerant = gate { $0.toleranceS = 300 }
        for (atS, expected) in [
            (now - 301, Verdict.outsideTime), (now - 300, .admitted), (now + 3_899, .admitted),
            (now + 3_900, .outsideTime),
        ] { #expect(verdict(input(.active, window, gate: tolerant, atS: atS)) == expected) }
        let widest = gate { $0.toleranceS = 86_400 }
        let endless = pass(Access(zone: hall, from: .min, until: .max))
        #expect(verdict(input(.active, endless, gate: widest, atS: 0)) == .admitted)
        #expect(verdict(input(.active, endless, gate: widest, atS: 7_258_118_399)) == .admitted)
    }

    @Test func untrustedClockNeverRejectsForTime() {
        let past = pass(Access(zone: hall, until: 10))
        let decision = Decision(input(.active, past) { $0.clockIsTrusted = false })
        #expect(decision == Decision(verdict: .admitted, flags: .clockNotTrusted))
        #expect(verdict(input(.active, pass(Access(zone: foyer))) { $0.clockIsTrusted = false }) == .noAccess)
        let strict = gate { $0.expired = .deny }
        let late = Decision(input(.active, past, gate: strict, atS: expiry) { $0.clockIsTrusted = false })
        #expect(late == Decision(verdict: .admitted, flags: .clockNotTrusted))
    }

    @Test func expiredSnapshotIsFlaggedAndFollowsPolicy() {
        #expect(Decision(input(atS: expiry - 1)) == Decision(verdict: .admitted, flags: []))
        #expect(Decision(input(atS: expiry)) == Decision(verdict: .admitted, flags: .snapshotExpired))
        #expect(Decision(input(nil, nil, atS: expiry)) == Decision(verdict: .unknownTag, flags: .snapshotExpired))
        let strict = gate { $0.expired = .deny }
        #expect(Decision(input(gate: strict, atS: expiry - 1)) == Decision(verdict: .admitted, flags: []))
        for status in [Attendee.Status.active, .blocked] {
            let decision = Decision(input(status, gate: strict, atS: expiry))
            #expect(decision == Decision(verdict: .noSnapshot, flags: .snapshotExpired))
        }
    }

    @Test func missingSnapshotFollowsPolicy() {
        func unusable(_ here: Gate?) -> Verdict { verdict(input(nil, nil, gate: here) { $0.snapshot = .unusable }) }
        #expect(unusable(nil) == .noSnapshot)
        #expect(unusable(gate()) == .noSnapshot)
        #expect(unusable(gate { $0.noSnapshot = .admit }) == .admitted)
    }

    @Test(arguments: [Direction.in, .out]) func inspectionIsDecidedInBothDirections(_ direction: Direction) {
        func inspected(_ status: Attendee.Status?, _ pass: Pass? = always, atS: Int64 = now) -> Decision {
            Decision(
                input(status, pass, atS: atS) {
                    ($0.direction, $0.isInspection) = (direction, true)
                    $0.memory = PriorPresence(isInside: true, wasAdmitted: true)
                })
        }
        let flags: Flags = direction == .out ? [.out, .inspection] : .inspection
        #expect(inspected(.active) == Decision(verdict: .admitted, flags: flags))
        #expect(inspected(.blocked) == Decision(verdict: .blocked, flags: flags))
        #expect(inspected(nil, nil) == Decision(verdict: .unknownTag, flags: flags))
        #expect(inspected(.active, pass(Access(zone: foyer))).verdict == .noAccess)
        #expect(inspected(.active, pass(Access(zone: hall, until: now))).verdict == .outsideTime)
    }

    @Test func entryIsRejectedWithoutAssignedGate() {
        #expect(Decision(input(gate: nil)) == Decision(verdict: .noSnapshot, flags: []))
        #expect(verdict(input(.blocked, gate: nil)) == .noSnapshot)
    }

    @Test func tagKnownOnlyByUIDFollowsPolicy() {
        let careful = gate { $0.uidOnly = false }
        #expect(verdict(input(gate: careful)) == .notAuthentic)
        #expect(verdict(input(gate: careful) { $0.proof = .authentic(counter: 1) }) == .admitted)
        #expect(verdict(input(nil, nil, gate: careful)) == .unknownTag)
        #expect(verdict(input(.lost, gate: careful)) == .lost)
    }

    /// Checks every combination of the inputs.
    @Test func invariantsHoldForAllInputs() {
        var (count, verdicts) = (0, Set<Verdict>())
        let policies = [Policy.Fallback.admit, .deny].flatMap { missing in
            [Policy.Fallback.admit, .deny].flatMap { expired in
                [true, false].map { uidOnly in
                    gate { ($0.noSnapshot, $0.expired, $0.uidOnly) = (missing, expired, uidOnly) }
                }
            }
        }
        let passes = [nil, pass(), always, pass(Access(zone: foyer)), pass(Access(zone: hall, from: now + 60))]
        for here in policies + [nil] {
            for status in Attendee.Status.allCases + [nil] {
                for pass in passes {
                    for atS in [0, now, now + 60, expiry] {
                        for bits in 0..<16 {
                            let one = input(status, pass, gate: here, atS: atS) {
                                $0.direction = bits & 1 == 0 ? .in : .out
                                $0.clockIsTrusted = bits & 2 == 0
                                $0.proof = bits & 4 == 0 ? .authentic(counter: 1) : .uid
                                if bits & 8 != 0 { $0.snapshot = .unusable }
                            }
                            check(one)
                            verdicts.insert(verdict(one))
                            count += 1
                        }
                    }
                }
            }
        }
        #expect(count == 9 * 5 * 5 * 4 * 16)
        #expect(verdicts.map(\.rawValue).sorted() == [0, 1, 2, 3, 4, 6, 7, 8, 9])
    }

    private func check(_ input: DecisionInput) {
        let decision = Decision(input)
        let isExpired = input.clockIsTrusted && input.snapshot != .unusable && input.atMs / 1_000 >= expiry
        #expect(decision.flags.contains(.out) == (input.direction == .out))
        #expect(decision.flags.contains(.clockNotTrusted) == !input.clockIsTrusted)
        #expect(decision.flags.contains(.snapshotExpired) == isExpired)
        #expect(decision.flags.isSubset(of: [.out, .clockNotTrusted, .snapshotExpired]))
        if input.direction == .out { #expect(decision.verdict == .admitted) }
        if !input.clockIsTrusted { #expect(decision.verdict != .outsideTime) }
        guard input.direction == .in else { return }
        guard input.snapshot != .unusable, let here = input.gate else {
            let admits = input.gate?.policy.noSnapshot == .admit
            #expect(decision.verdict == (admits ? .admitted : .noSnapshot))
            return
        }
        #expect((decision.verdict == .noSnapshot) == (isExpired && here.policy.expired == .deny))
        if decision.verdict == .admitted {
            #expect(input.attendee?.status == .active)
            #expect(input.pass?.access.contains { $0.zone == hall } == true)
            #expect(here.policy.uidOnly || input.proof != .uid)
        }
    }
}
