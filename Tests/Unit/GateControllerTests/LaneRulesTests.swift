import AccessControl
import DataFolder
import FileSystem
import GateController
import Glibc
import Runtime
import ScanModel
import SnapshotInstall
import Synchronization
import TestSupport
import Testing

/// The lane over its inbox: presence, debounce, modes, commands, passages, readers.
@Suite struct LaneRulesTests {
    private let venue: LaneFixture
    private let inbox = LaneInbox()
    private let output = VerdictLines()
    private let updates = ReceivedUpdates()

    init() throws {
        venue = try LaneFixture()
    }

    private func lane(_ change: (inout Lane.Settings) -> Void = { _ in }) throws -> Lane {
        // A new reloader for each lane, because it returns each snapshot once.
        let reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        reloader.check()
        var settings = venue.settings()
        settings.readers = [Lane.Settings.Reader("stdin"), Lane.Settings.Reader("nfc:test")]
        change(&settings)
        return try Lane(settings, reloader: reloader, inbox: inbox) {
            output.lines.append($0)
        } notify: {
            updates.list.append($0)
        }
    }

    private func tap(
        _ person: LaneFixture.Person, _ direction: Direction = .in, proof: Tap.Proof = .uid, at seconds: Int64? = nil
    ) -> LaneEvent {
        .reader(
            1,
            .tap(
                Tap(
                    .uid(venue.uid(person)), proof: proof, direction: direction,
                    atMs: seconds.map { (LaneFixture.day + $0) * 1_000 })))
    }

    private func verdicts() throws -> [UInt8] { try venue.journaled().map(\.verdict.rawValue) }

    private func execute(_ lane: Lane, _ command: LaneCommand) -> CommandResult {
        let results = Mutex<[CommandResult]>([])
        lane.dispatchNow(.command(command) { result in results.withLock { $0.append(result) } })
        return results.withLock { $0[0] }
    }

    @Test func presenceSurvivesRestart() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        do {
            let first = try lane()
            first.dispatchNow(tap(.delegate, at: 10))
            first.dispatchNow(tap(.delegate, at: 20))
        }
        do {
            let second = try lane()
            second.dispatchNow(tap(.delegate, at: 30))
            second.dispatchNow(tap(.delegate, .out, at: 40))
            second.dispatchNow(tap(.delegate, at: 50))
        }
        #expect(try verdicts() == [0, 5, 5, 0, 0])
    }

    @Test func firstSnapshotRestoresPresence() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        do { try lane().dispatchNow(tap(.delegate, at: 10)) }
        try Files.rename(venue.data + "/snapshots", to: venue.data + "/away")
        let blind = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        let lane = try Lane(venue.settings(), reloader: blind, inbox: inbox) { _ in }
        try Files.rename(venue.data + "/away", to: venue.data + "/snapshots")
        blind.check()
        lane.handleLine("\(venue.hex(.delegate)),in,2026-11-23T00:01:00Z", number: 1)
        try run(lane)
        lane.handleLine("\(venue.hex(.delegate)),in,2026-11-23T00:01:00Z", number: 2)
        #expect(try verdicts() == [0, 6, 5])
    }

    /// Runs the loop once: a command that changes nothing stops it.
    private func run(_ lane: Lane) throws {
        let stop = StopSignal()
        #expect(inbox.send(TimestampedEvent(.command(.mode(.normal)) { _ in stop.stop() })))
        try lane.run(nil, stop: stop)
    }

    @Test func repeatIsShownAgainAndNotJournaled() throws {
        try venue.install(version: 100)
        let lane = try lane()
        lane.dispatchNow(tap(.delegate, at: 10))
        lane.dispatchNow(tap(.delegate, at: 11))
        #expect(try verdicts() == [0])
        #expect(output.lines.count == 2 && output.lines[0] == output.lines[1])
        #expect(updates.results.map(\.isRepeat) == [false, true])
        #expect(updates.results.allSatisfy { !$0.opens })
        lane.dispatchNow(tap(.delegate, .out, at: 11))
        lane.dispatchNow(tap(.delegate, at: 12))
        #expect(try verdicts() == [0, 0, 0])
        // Standard input has no debounce window by default.
        lane.handleLine("\(venue.hex(.staff)),in,\(LaneFixture.tenOClock)", number: 1)
        lane.handleLine("\(venue.hex(.staff)),in,\(LaneFixture.tenOClock)", number: 2)
        #expect(try verdicts() == [0, 0, 0, 3, 3])
    }

    @Test func onlyLiveAdmissionsOpenTheTurnstile() throws {
        try venue.install(version: 100)
        let lane = try lane()
        for input in [tap(.delegate), tap(.delegate), tap(.blocked), tap(.staff, .out), tap(.early, .out, at: 5)] {
            lane.dispatchNow(input)
        }
        #expect(updates.results.map(\.opens) == [true, false, false, true, false])
    }

    @Test func inspectionChangesNothing() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane { $0.isInspection = true }
        lane.dispatchNow(tap(.delegate))
        lane.dispatchNow(tap(.delegate))
        #expect(try verdicts() == [0, 0])
        #expect(try venue.journaled().allSatisfy { $0.flags.contains(.inspection) })
        #expect(updates.results.allSatisfy { !$0.opens })
    }

    @Test func lowerReadCounterIsRejectedAcrossRestart() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#)
        for counters in [[7, 7, 8], [8, 9]] as [[Int64]] {
            let lane = try lane()
            for counter in counters { lane.dispatchNow(tap(.delegate, proof: .authentic(counter: counter))) }
        }
        #expect(try verdicts() == [0, 7, 0, 7, 0])
        #expect(updates.results[1].detail == .replayedMessage)
    }

    @Test func modesAreJournaledAndSurviveRestart() throws {
        try venue.install(version: 100)
        do {
            let lane = try lane()
            #expect(execute(lane, .mode(.free)) == .done("mode free"))
            #expect(updates.states.last?.mode == .free)
            lane.dispatchNow(tap(.delegate))
            lane.dispatchNow(tap(.blocked))
        }
        do {
            let lane = try lane()
            #expect(execute(lane, .mode(.closed)) == .done("mode closed"))
            lane.dispatchNow(tap(.delegate))
            lane.dispatchNow(tap(.delegate, .out))
            #expect(execute(lane, .mode(.normal)) == .done("mode normal"))
            #expect(execute(lane, .mode(.normal)) == .done("mode normal already"))
        }
        do { _ = try lane() }
        let scans = try venue.journaled()
        #expect(scans.map(\.verdict.rawValue) == [129, 0, 0, 129, 130, 3, 0, 128])
        #expect(scans.map { $0.flags.contains(.operatorOverride) }[1...2] == [false, true])
        #expect(scans[5].flags == .operatorOverride && scans[6].flags == .out)
        #expect(scans.filter { $0.verdict.rawValue >= 128 }.allSatisfy { $0.tag == .none && $0.gate == 7 })
    }

    @Test func manualAdmissionsAreJournaledAndOpen() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane()
        for uid in [venue.uid(.blocked), nil] {
            let result = execute(lane, .admit(uid.map(ManualTag.uid), reason: "lost wristband"))
            guard case .done = result else {
                Issue.record("rejected: \(result)")
                return
            }
        }
        let scans = try venue.journaled()
        #expect(scans.map(\.verdict.rawValue) == [0, 134])
        #expect(scans.map(\.tag) == [venue.tag(.blocked), .none])
        #expect(scans.allSatisfy { $0.flags == .operatorOverride })
        #expect(updates.results.map(\.opens) == [true, true])
    }

    @Test func assignedGateHasPriorityAndSurvivesRestart() throws {
        try venue.install(version: 100)
        do {
            let lane = try lane { $0.gateName = "Hall north" }
            lane.dispatchNow(tap(.staff))
            #expect(execute(lane, .assign(gate: "Nowhere")) == .rejected("the snapshot has no gate named Nowhere"))
            #expect(execute(lane, .assign(gate: "Entrance")) == .done("the gate is now Entrance"))
            lane.dispatchNow(tap(.staff))
        }
        #expect(GateState.read(folder: venue.data)?.gateName == "Entrance")
        do {
            let lane = try lane { $0.gateName = "Hall north" }
            lane.dispatchNow(tap(.staff))
            #expect(execute(lane, .assign(gate: nil)) == .done("the gate is now Hall north"))
            lane.dispatchNow(tap(.staff))
        }
        #expect(try venue.journaled().map(\.gate) == [7, 8, 8, 7])
        #expect(try verdicts() == [3, 0, 0, 3])
    }

    @Test func readerProblemsAreJournaledAndShown() throws {
        try venue.install(version: 100)
        let lane = try lane()
        lane.dispatchNow(.reader(1, .back))
        lane.dispatchNow(.reader(1, .lost(.other("unplugged"))))
        lane.dispatchNow(.reader(1, .lost(.other("no such device"))))
        #expect(GateState.read(folder: venue.data)?.reader == "stdin, nfc:test (no such device)")
        #expect(updates.states.last?.readers[1].problem == .other("no such device"))
        lane.dispatchNow(.reader(1, .back))
        lane.dispatchNow(.reader(1, .back))
        lane.dispatchNow(.reader(9, .lost(.notResponding)))
        #expect(try verdicts() == [131, 132])
        lane.dispatchNow(.turnstile(problem: .boardNotResponding))
        #expect(updates.states.last?.turnstileProblem == .boardNotResponding)
    }

    @Test func missingPassageAnnulsTheAdmission() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard"}"#)
        let lane = try lane { $0.passageMs = 0 }
        lane.dispatchNow(tap(.delegate))
        // Too late: journaled as a passage without a tap.
        lane.dispatchNow(.passage)
        lane.dispatchNow(tap(.delegate))
        #expect(try verdicts() == [0, 64, 133, 0])
        #expect(try venue.journaled()[1].tag == venue.tag(.delegate))
        #expect(output.lines[1].contains(#""name":"annulled""#))
    }

    @Test func passageConfirmsTheAdmission() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane { $0.passageMs = 60_000 }
        lane.dispatchNow(tap(.delegate))
        lane.dispatchNow(.passage)
        lane.dispatchNow(tap(.delegate))
        lane.dispatchNow(.passage)
        lane.dispatchNow(.sensor(problem: .other("unplugged")))
        lane.dispatchNow(tap(.delegate, .out))
        try run(lane)
        #expect(try verdicts() == [0, 5, 133, 0])
    }

    @Test func secondAdmissionAnnulsThePendingOne() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#)
        let lane = try lane { $0.passageMs = 60_000 }
        lane.dispatchNow(tap(.delegate))
        lane.dispatchNow(tap(.delegate))
        #expect(try verdicts() == [0, 64, 0])
    }
}

/// The updates that a lane sent.
final class ReceivedUpdates {
    var list: [LaneUpdate] = []
    var results: [TapResult] { list.compactMap { if case .verdict(let result) = $0 { result } else { nil } } }
    var states: [LaneState] { list.compactMap { if case .state(let state) = $0 { state } else { nil } } }
}
