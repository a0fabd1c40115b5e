import ScanModel
import TestSupport
import Testing

@testable import AccessControl
@testable import TurnstileControl

@Suite struct TurnstilePlanTests {
    private static func settings(_ text: String) throws -> TurnstileSettings {
        try #require(try TurnstileSettings.parse(text))
    }

    /// Runs the plan in steps of 10 ms and returns every change.
    private func run(_ plan: inout TurnstilePlan, from: Int64, until: Int64) -> [TurnstilePlan.Step] {
        var all: [TurnstilePlan.Step] = []
        for now in stride(from: from, through: until, by: 10) {
            for step in plan.due(nowMs: now) {
                plan.done(step)
                all.append(.init(atMs: now, channel: step.channel, isOn: step.isOn))
            }
        }
        return all
    }

    @Test func pulseHasTheConfiguredDuration() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,pulse=300"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 1_000)
        #expect(
            run(&plan, from: 1_000, until: 9_000) == [
                .init(atMs: 1_000, channel: 1, isOn: true), .init(atMs: 1_300, channel: 1, isOn: false),
            ])
        #expect(plan.nextMs == nil)
    }

    @Test func answerWithoutOpeningMovesNothing() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x"))
        plan.verdict(isGreen: false, opens: false, direction: .in, nowMs: 0)
        plan.verdict(isGreen: true, opens: false, direction: .in, nowMs: 10)
        #expect(run(&plan, from: 0, until: 5_000).isEmpty)
    }

    @Test func twoOpeningsKeepTheGap() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,pulse=200,gap=400"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 50)
        let changes = run(&plan, from: 50, until: 5_000)
        #expect(changes.map(\.isOn) == [true, false, true, false])
        #expect(changes[2].atMs - changes[1].atMs >= 400)
    }

    @Test func lateOpeningIsDropped() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,pulse=1000,gap=500"))
        let taken = (0..<5).map { _ in plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0) }
        #expect(taken == [true, true, false, false, false])
        #expect(run(&plan, from: 0, until: 20_000).filter(\.isOn).count == 2)
    }

    @Test func wayOutUsesItsConfiguredRelay() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,open=1,open-out=2"))
        plan.verdict(isGreen: true, opens: true, direction: .out, nowMs: 0)
        #expect(run(&plan, from: 0, until: 3_000).map(\.channel) == [2, 2])
    }

    @Test func greenAndRedAreNeverOnTogether() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,green=2,red=3,buzzer=4"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        _ = run(&plan, from: 0, until: 500)
        #expect(plan.energized == [2])
        plan.verdict(isGreen: false, opens: false, direction: .in, nowMs: 500)
        let beeps = run(&plan, from: 500, until: 1_500).filter { $0.channel == 4 && $0.isOn }.count
        #expect(beeps == TurnstilePlan.badTone.count / 2 + 1)
        #expect(plan.energized == [3])
        _ = run(&plan, from: 1_500, until: 9_000)
        #expect(plan.energized.isEmpty)
    }

    @Test func droppedReadIsRedButNotOverAVerdict() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,green=2,red=3,buzzer=4"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        _ = run(&plan, from: 0, until: 500)
        plan.dropped(nowMs: 500)
        _ = run(&plan, from: 500, until: 1_000)
        #expect(plan.energized == [2])
        _ = run(&plan, from: 1_000, until: 5_000)
        plan.dropped(nowMs: 5_000)
        let changes = run(&plan, from: 5_000, until: 6_000)
        #expect(plan.energized == [3] && !changes.contains { $0.channel == 1 })
    }

    @Test func freeModeHoldsUntilItEnds() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,green=2,red=3"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        _ = run(&plan, from: 0, until: 50)
        plan.mode(.free, nowMs: 60)
        plan.verdict(isGreen: false, opens: false, direction: .in, nowMs: 100)
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 200)
        _ = run(&plan, from: 60, until: 60_000)
        #expect(plan.energized == [1, 2])
        plan.mode(.normal, nowMs: 60_010)
        _ = run(&plan, from: 60_010, until: 60_020)
        #expect(plan.energized.isEmpty)
    }

    @Test func restartDropsPulsesAndKeepsTheHold() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        plan.restart(nowMs: 10)
        #expect(run(&plan, from: 10, until: 5_000).isEmpty)
        plan.mode(.free, nowMs: 5_000)
        plan.restart(nowMs: 5_010)
        #expect(run(&plan, from: 5_010, until: 5_020) == [.init(atMs: 5_010, channel: 1, isOn: true)])
    }

    @Test func gapIsKeptAfterAnInterruptedPulse() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x,gap=500"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        _ = run(&plan, from: 0, until: 100)
        plan.restart(nowMs: 110)
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 120)
        #expect(run(&plan, from: 120, until: 5_000).map(\.atMs).first == 610)
    }

    @Test func missedPulseIsNotRepeated() throws {
        var plan = TurnstilePlan(try Self.settings("serial:/dev/x"))
        plan.verdict(isGreen: true, opens: true, direction: .in, nowMs: 0)
        #expect(plan.due(nowMs: 60_000).isEmpty)
    }

    /// In any order of events: no pulse is longer than configured, the gap is kept, and all relays are off at the end.
    @Test(arguments: 0..<500) func pulsesAreBoundedForAnyOrderOfEvents(seed: Int) throws {
        var random = TestRandom(seed: UInt64(seed))
        let pulse = Int64.random(in: 10...100, using: &random) * 10
        let gap = Int64.random(in: 5...50, using: &random) * 10
        var plan = TurnstilePlan(
            try Self.settings("serial:/dev/x,pulse=\(pulse),gap=\(gap),green=2,red=3,buzzer=4"))
        var (onSince, offSince): (Int64?, Int64?) = (nil, nil)
        var (opened, asked) = (0, 0)
        for now in stride(from: Int64(0), through: 30_000, by: 10) {
            if now < 20_000 && Int.random(in: 0..<40, using: &random) == 0 {
                let isGreen = Bool.random(using: &random)
                let opens = isGreen && Bool.random(using: &random)
                if plan.verdict(isGreen: isGreen, opens: opens, direction: .in, nowMs: now), opens { asked += 1 }
            }
            for step in plan.due(nowMs: now) {
                plan.done(step)
                guard step.channel == 1 else { continue }
                if step.isOn {
                    if let offSince { #expect(now - offSince >= gap) }
                    (onSince, opened) = (now, opened + 1)
                } else {
                    #expect(now - (try #require(onSince)) == pulse)
                    (onSince, offSince) = (nil, now)
                }
            }
            #expect(!plan.energized.isSuperset(of: [2, 3]))
        }
        #expect(opened == asked)
        #expect(plan.energized.isEmpty && plan.nextMs == nil)
    }
}
