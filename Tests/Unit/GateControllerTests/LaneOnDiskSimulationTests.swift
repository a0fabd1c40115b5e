import AccessControl
import ScanJournal
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import GateController
@testable import SnapshotInstall

/// Simulated lanes on the disk: the real lane with its journal, restarts, replay and wrong clocks.
@Suite struct LaneOnDiskSimulationTests {
    static let seeds = 120
    static let steps = 60
    private static let hourMs: Int64 = 3_600_000
    private static let people: [LaneFixture.Person] = [.delegate, .blocked, .early, .staff]

    private struct Move {
        var verdict: Verdict
        var isOut: Bool
        var told: ToldTime
        /// Whether a trusted clock was behind since the move before.
        var isMisled: Bool
    }

    @Test(arguments: 0..<4) func noPersonIsAdmittedTwiceOnOneTrueDay(_ quarter: Int) throws {
        var (seconds, journals) = (0, 0)
        let share = LaneOnDiskSimulationTests.seeds / 4
        for seed in quarter * share..<(quarter + 1) * share { try run(seed, &seconds, &journals) }
        // Second admissions and new journals did occur.
        #expect(seconds > 50 && journals > 5 * share)
    }

    private func run(_ seed: Int, _ seconds: inout Int, _ journals: inout Int) throws {
        var random = TestRandom(seed)
        let world = try LaneWorld()
        var version: Int64 = 100
        func install() throws {
            version += 1
            try world.venue.install(
                version: version, policy: #"{"antipassback":"hard","debounce_ms":2000}"#, days: -1...14,
                createdS: world.device.now.trueMs / 1_000 - 3_600, isOpenToAll: true)
        }
        try install()
        try world.start()
        var moves: [LaneFixture.Person: [Move]] = [:]
        var (taps, repeats) = (0, 0)
        // Moves of persons since which a trusted clock was behind. Then the lane cannot know the day of the move.
        var misled: Set<LaneFixture.Person> = []
        for _ in 0..<LaneOnDiskSimulationTests.steps {
            world.advance([0, 500, 30_000, 1_200_000].randomElement(using: &random)!)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<70:
                let person = LaneOnDiskSimulationTests.people.randomElement(using: &random)!
                let direction: Direction = Int.random(in: 0..<4, using: &random) == 0 ? .out : .in
                let clocks = world.device.now
                let result = try #require(world.tap(person, direction))
                taps += 1
                if result.isRepeat { repeats += 1 }
                if direction == .out { #expect(result.scan.verdict == .admitted) }
                if clocks.offMs < 0, !result.scan.flags.contains(.clockNotTrusted) { misled.formUnion(moves.keys) }
                guard result.scan.verdict == .admitted, !result.isRepeat else { continue }
                let told = ToldTime(
                    clockMs: clocks.trueMs + clocks.offMs, trueMs: clocks.trueMs,
                    isTrusted: !result.scan.flags.contains(.clockNotTrusted))
                let isMisled = misled.remove(person) != nil
                moves[person, default: []].append(
                    Move(verdict: result.scan.verdict, isOut: direction == .out, told: told, isMisled: isMisled))
            case 70..<78:
                world.setClock(
                    offMs: [0, 0, 0, -600_000, -24, 24, 5 * 24, 40 * 24, -world.device.now.trueMs]
                        .randomElement(using: &random)!.offset)
            case 78..<80: world.setSynchronised(Bool.random(using: &random))
            case 80..<86: try world.start()
            case 86..<90:
                world.reboot()
                if Bool.random(using: &random) {
                    world.setClock(offMs: -world.device.now.trueMs)
                    world.setSynchronised(false)
                }
                try world.start()
            case 90..<93:
                try install()
                world.reloader.check()
            case 93..<96: try world.runOnce()
            default: world.advance(12 * LaneOnDiskSimulationTests.hourMs)
            }
        }
        world.stop()
        let scans = try world.venue.journaled().filter { $0.tag != .none }
        #expect(scans.count == taps - repeats, "seed \(seed)")
        journals += try JournalReader(folder: world.venue.data).journals().count
        let days = DayStarts(
            (-1...14).map {
                Day(day: "", starts: LaneFixture.day + $0 * 86_400 + 4 * 3_600, ends: 0)
            })
        for (person, moves) in moves {
            for (last, move) in zip(moves, moves.dropFirst()) where !last.isOut && !move.isOut {
                seconds += 1
                let isKnown = last.told.isTrusted || !move.isMisled
                let isSecond = days.isSecond(move.told, after: last.told)
                #expect(!isKnown || !isSecond, "seed \(seed): \(person) was admitted twice")
            }
        }
    }
}

extension Int64 {
    /// Milliseconds; a small number is in hours.
    fileprivate var offset: Int64 { abs(self) < 10_000 ? self * 3_600_000 : self }
}
