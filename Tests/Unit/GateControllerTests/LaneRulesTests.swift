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

/// The lane over its mailbox: memory, debounce, modes, orders, passages, readers.
@Suite struct LaneRulesTests {
    private let venue: Venue
    private let mailbox = Mailbox<TimestampedEvent>(capacity: LaneEvent.capacity)
    private let told = Told()
    private let noticed = Noticed()

    init() throws {
        venue = try Venue()
    }

    private func lane(_ change: (inout Lane.Settings) -> Void = { _ in }) throws -> Lane {
        // A new one each time, as for each start of the program: it gives a snapshot once.
        let watch = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        watch.check()
        var settings = venue.settings()
        settings.readers = [Lane.Settings.Reader("stdin"), Lane.Settings.Reader("nfc:test")]
        change(&settings)
        return try Lane(settings, watch: watch, mailbox: mailbox) {
            told.lines.append($0)
        } notify: {
            noticed.notices.append($0)
        }
    }

    private func tap(
        _ person: Venue.Person, _ direction: Direction = .in, proof: Tap.Proof = .uid, at seconds: Int64? = nil
    ) -> LaneEvent {
        .reader(
            1,
            .tap(
                Tap(
                    .uid(venue.uid(person)), proof: proof, direction: direction,
                    atMs: seconds.map { (Venue.day + $0) * 1_000 })))
    }

    private func verdicts() throws -> [UInt8] { try venue.journalled().map(\.verdict.rawValue) }

    private func obey(_ lane: Lane, _ order: LaneCommand) -> CommandResult {
        let answers = Mutex<[CommandResult]>([])
        lane.handle(.order(order) { answer in answers.withLock { $0.append(answer) } })
        return answers.withLock { $0[0] }
    }

    @Test func aPersonIsInsideAcrossARestart() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        do {
            let first = try lane()
            first.handle(tap(.delegate, at: 10))
            first.handle(tap(.delegate, at: 20))
        }
        do {
            let second = try lane()
            second.handle(tap(.delegate, at: 30))
            second.handle(tap(.delegate, .out, at: 40))
            second.handle(tap(.delegate, at: 50))
        }
        #expect(try verdicts() == [0, 5, 5, 0, 0])
    }

    @Test func aLaneThatBeganWithoutASnapshotRemembersWithTheFirst() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        do { try lane().handle(tap(.delegate, at: 10)) }
        try Files.rename(venue.data + "/snapshots", to: venue.data + "/away")
        let blind = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        let lane = try Lane(venue.settings(), watch: blind, mailbox: mailbox) { _ in }
        try Files.rename(venue.data + "/away", to: venue.data + "/snapshots")
        blind.check()
        lane.handle("\(venue.hex(.delegate)),in,2026-11-23T00:01:00Z", 1)
        try run(lane)
        lane.handle("\(venue.hex(.delegate)),in,2026-11-23T00:01:00Z", 2)
        #expect(try verdicts() == [0, 6, 5])
    }

    /// Lets the lane look around once: an order that changes nothing stops it.
    private func run(_ lane: Lane) throws {
        let stop = StopSignal()
        #expect(mailbox.send(TimestampedEvent(.order(.mode(.normal)) { _ in stop.stop() })))
        try lane.run(nil, stop: stop)
    }

    @Test func aRepeatIsShownAgainAndNotWritten() throws {
        try venue.install(version: 100)
        let lane = try lane()
        lane.handle(tap(.delegate, at: 10))
        lane.handle(tap(.delegate, at: 11))
        #expect(try verdicts() == [0])
        #expect(told.lines.count == 2 && told.lines[0] == told.lines[1])
        #expect(noticed.signals.map(\.isRepeat) == [false, true])
        #expect(noticed.signals.allSatisfy { !$0.opens })
        lane.handle(tap(.delegate, .out, at: 11))
        lane.handle(tap(.delegate, at: 12))
        #expect(try verdicts() == [0, 0, 0])
        // Standard input is no reader that sees a hand linger.
        lane.handle("\(venue.hex(.staff)),in,\(Venue.tenOClock)", 1)
        lane.handle("\(venue.hex(.staff)),in,\(Venue.tenOClock)", 2)
        #expect(try verdicts() == [0, 0, 0, 3, 3])
    }

    @Test func onlyALiveAdmissionMovesTheTurnstile() throws {
        try venue.install(version: 100)
        let lane = try lane()
        for input in [tap(.delegate), tap(.delegate), tap(.blocked), tap(.staff, .out), tap(.early, .out, at: 5)] {
            lane.handle(input)
        }
        #expect(noticed.signals.map(\.opens) == [true, false, false, true, false])
    }

    @Test func inspectionMovesNothing() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane { $0.isInspection = true }
        lane.handle(tap(.delegate))
        lane.handle(tap(.delegate))
        #expect(try verdicts() == [0, 0])
        #expect(try venue.journalled().allSatisfy { $0.flags.contains(.inspection) })
        #expect(noticed.signals.allSatisfy { !$0.opens })
    }

    @Test func aCounterRisesAlsoAcrossARestart() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#)
        for counters in [[7, 7, 8], [8, 9]] as [[Int64]] {
            let lane = try lane()
            for counter in counters { lane.handle(tap(.delegate, proof: .authentic(counter: counter))) }
        }
        #expect(try verdicts() == [0, 7, 0, 7, 0])
        #expect(noticed.signals[1].detail == "message was used before")
    }

    @Test func modesAreJournalledAndSurvive() throws {
        try venue.install(version: 100)
        do {
            let lane = try lane()
            #expect(obey(lane, .mode(.free)) == .done("mode free"))
            #expect(noticed.states.last?.mode == .free)
            lane.handle(tap(.delegate))
            lane.handle(tap(.blocked))
        }
        do {
            let lane = try lane()
            #expect(obey(lane, .mode(.closed)) == .done("mode closed"))
            lane.handle(tap(.delegate))
            lane.handle(tap(.delegate, .out))
            #expect(obey(lane, .mode(.normal)) == .done("mode normal"))
            #expect(obey(lane, .mode(.normal)) == .done("mode normal already"))
        }
        do { _ = try lane() }
        let scans = try venue.journalled()
        #expect(scans.map(\.verdict.rawValue) == [129, 0, 0, 129, 130, 3, 0, 128])
        #expect(scans.map { $0.flags.contains(.operatorOverride) }[1...2] == [false, true])
        #expect(scans[5].flags == .operatorOverride && scans[6].flags == .out)
        #expect(scans.filter { $0.verdict.rawValue >= 128 }.allSatisfy { $0.tag == .none && $0.gate == 7 })
    }

    @Test func admissionsByHand() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane()
        guard case .done = obey(lane, .admit(uid: venue.uid(.blocked), reason: "the minister")) else {
            return #expect(Bool(false))
        }
        guard case .done = obey(lane, .admit(uid: nil, reason: "lost band")) else { return #expect(Bool(false)) }
        let scans = try venue.journalled()
        #expect(scans.map(\.verdict.rawValue) == [0, 134])
        #expect(scans.map(\.tag) == [venue.tag(.blocked), .none])
        #expect(scans.allSatisfy { $0.flags == .operatorOverride })
        #expect(noticed.signals.map(\.opens) == [true, true])
    }

    @Test func anAssignedGateBeatsTheOthersAndStays() throws {
        try venue.install(version: 100)
        do {
            let lane = try lane { $0.gateName = "Hall north" }
            lane.handle(tap(.staff))
            #expect(obey(lane, .assign(gate: "Nowhere")) == .refused("the snapshot has no gate named Nowhere"))
            #expect(obey(lane, .assign(gate: "Entrance")) == .done("the gate is now Entrance"))
            lane.handle(tap(.staff))
        }
        #expect(GateState.read(folder: venue.data)?.gateName == "Entrance")
        do {
            let lane = try lane { $0.gateName = "Hall north" }
            lane.handle(tap(.staff))
            #expect(obey(lane, .assign(gate: nil)) == .done("the gate is now Hall north"))
            lane.handle(tap(.staff))
        }
        #expect(try venue.journalled().map(\.gate) == [7, 8, 8, 7])
        #expect(try verdicts() == [3, 0, 0, 3])
    }

    @Test func readersComeAndGo() throws {
        try venue.install(version: 100)
        let lane = try lane()
        lane.handle(.reader(1, .back))
        lane.handle(.reader(1, .lost(reason: "unplugged")))
        lane.handle(.reader(1, .lost(reason: "no such device")))
        #expect(GateState.read(folder: venue.data)?.reader == "stdin, nfc:test (no such device)")
        #expect(noticed.states.last?.readers[1].problem == "no such device")
        lane.handle(.reader(1, .back))
        lane.handle(.reader(1, .back))
        lane.handle(.reader(9, .lost(reason: "nobody's")))
        #expect(try verdicts() == [131, 132])
        lane.handle(.turnstile(problem: "unplugged"))
        #expect(noticed.states.last?.turnstileProblem == "unplugged")
    }

    @Test func whoDoesNotPassIsAnnulledAndMayTapAgain() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard"}"#)
        let lane = try lane { $0.passageMs = 0 }
        lane.handle(tap(.delegate))
        // Late: it counts as a passage of nobody.
        lane.handle(.passage)
        lane.handle(tap(.delegate))
        #expect(try verdicts() == [0, 64, 133, 0])
        #expect(try venue.journalled()[1].tag == venue.tag(.delegate))
        #expect(told.lines[1].contains(#""name":"annulled""#))
    }

    @Test func whoPassesIsInside() throws {
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        let lane = try lane { $0.passageMs = 60_000 }
        lane.handle(tap(.delegate))
        lane.handle(.passage)
        lane.handle(tap(.delegate))
        lane.handle(.passage)
        lane.handle(.sensor(problem: "unplugged"))
        lane.handle(tap(.delegate, .out))
        try run(lane)
        #expect(try verdicts() == [0, 5, 133, 0])
    }

    @Test func whoIsAdmittedOnceMoreHadNotPassed() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#)
        let lane = try lane { $0.passageMs = 60_000 }
        lane.handle(tap(.delegate))
        lane.handle(tap(.delegate))
        #expect(try verdicts() == [0, 64, 0])
    }
}

/// What a lane gave notice of.
final class Noticed {
    var notices: [LaneUpdate] = []
    var signals: [TapResult] { notices.compactMap { if case .answer(let signal) = $0 { signal } else { nil } } }
    var states: [LaneState] { notices.compactMap { if case .state(let state) = $0 { state } else { nil } } }
}
