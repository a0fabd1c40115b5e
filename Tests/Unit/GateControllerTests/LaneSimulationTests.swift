import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import AccessControl

/// 10,000 simulated lanes under a crowd: clock steps, restarts, changed and unreadable snapshots, other gates, modes,
/// and missing passages, in any order.
@Suite struct LaneSimulationTests {
    static let seeds = 10_000
    static let steps = 60

    /// Totals over all runs. Each kind of event must have occurred.
    private struct Tally {
        var taps = 0
        var rows = 0
        var repeats = 0
        var annulled = 0
        var verdicts: [Verdict: Int] = [:]
        var secondAdmissions = 0
        /// Admitted twice on one true day, by a clock that was right again.
        var wronglySecond = 0
        /// Admitted again after an admission under a wrong clock.
        var afterWrongClock = 0
        /// Rejected by a right clock after an admission under an untrusted one.
        var afterDoubt = 0
    }

    @Test(arguments: 0..<4) func rulesHoldForAnyOrderOfEvents(_ quarter: Int) {
        var tally = Tally()
        let share = LaneSimulationTests.seeds / 4
        for seed in quarter * share..<(quarter + 1) * share { run(seed, &tally) }
        #expect(tally.taps == tally.rows - tally.annulled + tally.repeats)
        #expect(tally.wronglySecond == 0 && tally.afterWrongClock > 50)
        #expect(tally.afterDoubt > 50)
        #expect(tally.repeats > 1_000 && tally.annulled > 1_000 && tally.secondAdmissions > 1_000)
        for verdict in [
            Verdict.admitted, .unknownTag, .blocked, .noAccess, .outsideTime, .alreadyInside, .noSnapshot,
        ] {
            #expect(tally.verdicts[verdict, default: 0] > 250, "\(verdict.name)")
        }
    }

    private func run(_ seed: Int, _ tally: inout Tally) {
        var random = TestRandom(seed)
        var nowMs = SimulatedEvent.startMs + Int64.random(in: 0..<SimulatedEvent.dayMs, using: &random)
        var lane = SimulatedLane(SimulatedSnapshot(&random, nowMs: nowMs), bootedMs: nowMs)
        /// Error of the clock.
        var offMs: Int64 = 0
        for _ in 0..<LaneSimulationTests.steps {
            nowMs += [0, 500, 30_000, 1_200_000].randomElement(using: &random)!
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<70:
                let person = Int.random(in: 0..<SimulatedEvent.persons, using: &random)
                let tag = SimulatedEvent.tags(person).randomElement(using: &random)!
                lane.tap(
                    tag, Int.random(in: 0..<4, using: &random) == 0 ? .out : .in, atMs: nowMs + offMs,
                    trueMs: nowMs)
                tally.taps += 1
            case 70..<76:
                if let last = lane.journal.indices.last, lane.journal[last].moves {
                    lane.annul(last)
                    tally.annulled += 1
                }
            case 76..<82:
                offMs = [
                    0, 0, 0, -600_000, -SimulatedEvent.dayMs, SimulatedEvent.dayMs, 5 * SimulatedEvent.dayMs, -nowMs,
                ].randomElement(using: &random)!
            case 82..<84: lane.isSynchronised.toggle()
            case 84..<86: lane.restart()
            case 86..<88:
                lane.reboot(trueMs: nowMs)
                // A device without a battery.
                if Bool.random(using: &random) { (offMs, lane.isSynchronised) = (-nowMs, false) }
            case 88..<91: lane.take(SimulatedSnapshot(&random, nowMs: nowMs))
            case 91: lane.take(nil)
            case 92..<94:
                lane.gateIndex = Int.random(in: 0..<4, using: &random)
                lane.debounce.clear()
            case 94..<97:
                lane.mode = [.normal, .normal, .normal, .free, .closed].randomElement(using: &random)!
                lane.debounce.clear()
            case 97:
                lane.isInspection.toggle()
                lane.restart()
            case 98: lane.memory.dropOldDays()
            default: nowMs += SimulatedEvent.dayMs / 2
            }
        }
        tally.rows += lane.journal.count
        tally.repeats += lane.repeats
        for row in lane.journal { tally.verdicts[row.scan.verdict, default: 0] += 1 }
        #expect(lane.journal.indices.allSatisfy { lane.journal[$0].scan.seq == Int64($0 + 1) })
        check(lane, &tally)
    }

    /// Checks the rules over the finished journal, without the memory of the lane.
    private func check(_ lane: SimulatedLane, _ tally: inout Tally) {
        var lastMove: [Int: SimulatedRow] = [:]
        // Whether a trusted clock was behind since a person's last move. Then the lane cannot know its day.
        var hasMisled: Set<Int> = []
        for row in lane.journal where row.scan.verdict != .annulled {
            if row.isOut && !row.scan.flags.contains(.inspection) {
                #expect(row.scan.verdict == .admitted, "a way out was rejected")
            }
            if !row.isTrusted { #expect(row.scan.verdict != .outsideTime) }
            if row.mode == .free { #expect(row.scan.verdict == .admitted) }
            if row.mode == .closed && (!row.isOut || row.scan.flags.contains(.inspection)) {
                #expect(row.scan.verdict != .admitted)
            }
            let person = SimulatedEvent.person(row.scan.tag)
            if row.isTrusted, row.scan.atMs < row.trueMs { hasMisled.formUnion(lastMove.keys) }
            if let last = lastMove[person], !last.isTrusted, row.scan.verdict == .alreadyInside, row.isTrusted {
                tally.afterDoubt += 1
            }
            guard row.moves else { continue }
            defer { hasMisled.remove(person) }
            if let last = lastMove[person], !row.isOut, !last.isOut, last.gate.zone == row.gate.zone {
                tally.secondAdmissions += 1
                let isRuled =
                    row.gate.policy.antipassback == .hard && row.mode == .normal && row.isSnapshotReadable
                    && SimulatedEvent.pass(person).reentry != .free
                let isKnown = last.isTrusted || !hasMisled.contains(person)
                if isRuled && isKnown && row.days.isSecond(row.told, after: last.told) {
                    tally.wronglySecond += 1
                }
                if isRuled && last.scan.atMs != last.trueMs { tally.afterWrongClock += 1 }
            }
            lastMove[person] = row
        }
    }
}

extension SimulatedRow {
    fileprivate var told: ToldTime { ToldTime(clockMs: scan.atMs, trueMs: trueMs, isTrusted: isTrusted) }
}

/// The time of a clock and the true time.
struct ToldTime {
    var clockMs: Int64
    var trueMs: Int64
    var isTrusted: Bool
}

extension DayStarts {
    /// Whether two admissions are on one true day, and the lane could know it: its clock has the right day now, and had
    /// no earlier one then, or was not trusted then and is right now.
    func isSecond(_ now: ToldTime, after last: ToldTime) -> Bool {
        let dayMs = start(atMs: now.trueMs)
        let isKnown = last.isTrusted ? last.clockMs >= dayMs : now.clockMs == now.trueMs
        return start(atMs: now.clockMs) == dayMs && last.trueMs >= dayMs && isKnown
    }
}
