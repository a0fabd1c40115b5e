import AccessControl
import GateController
import LinuxSystem
import ScanModel
import TestSupport
import Testing

/// What waits for the lane while it is busy: a source that floods it costs only its own taps.
@Suite struct LaneInboxTests {
    private let inbox = LaneInbox()

    private func send(_ event: LaneEvent) -> Bool { inbox.send(TimestampedEvent(event, atMs: 0, monotonicMs: 0)) }

    private func tap(_ number: Int) -> ReaderEvent { .tap(Tap(.uid([4, UInt8(number % 256)]), proof: .uid)) }

    private func names(_ events: [TimestampedEvent]) -> [String] {
        events.map { arrival in
            switch arrival.event {
            case .reader(let index, .tap): "tap \(index)"
            case .reader(let index, .dropped(let reason, let count)): "\(index) \(reason) \(count)"
            case .reader(let index, .lost(let problem)): "\(index) \(problem)"
            case .reader(let index, .back): "\(index) back"
            case .passage: "passage"
            case .turnstile(let problem): "turnstile \(problem?.description ?? "ok")"
            case .sensor(let problem): "sensor \(problem?.description ?? "ok")"
            case .command: "command"
            }
        }
    }

    private func isReadable() -> Bool { Poll.wait([inbox.descriptor], timeoutMs: 0)[0] }

    @Test func floodOfOneReaderCostsNoTapOfAnother() {
        let taken = (0..<798).count { send(.reader(0, tap($0))) }
        #expect(taken == LaneInbox.tapLimit)
        #expect(send(.reader(1, tap(1))) && send(.passage) && send(.sensor(problem: .other("gone"))))
        #expect(send(.turnstile(problem: .boardNotResponding)) && send(.reader(0, .lost(.notResponding))))
        let commands = (0..<100).count { _ in send(.command(.mode(.free)) { _ in }) }
        #expect(commands == LaneInbox.commandLimit)
        let events = names(inbox.drain())
        #expect(
            events.filter { $0 != "tap 0" && $0 != "command" } == [
                "tap 1", "passage", "sensor gone", "turnstile the relay board does not answer",
                "0 the reader does not answer",
            ])
        #expect(events.count == LaneInbox.tapLimit + 5 + LaneInbox.commandLimit)
        #expect(send(.reader(0, tap(0))), "there is room again")
    }

    @Test func lastStateOfEachPartIsAlwaysHeard() {
        for round in 0..<1_000 {
            for event in [.sensor(problem: .other("\(round)")), .sensor(problem: nil)] as [LaneEvent] {
                #expect(send(event))
            }
            #expect(send(.reader(1, .lost(.other("\(round)")))) && send(.reader(1, .back)))
            #expect(send(.turnstile(problem: .other("\(round)"))))
        }
        // The first fault tells that the part did not work in between.
        #expect(
            Set(names(inbox.drain())) == [
                "sensor 0", "sensor ok", "1 0", "1 back", "turnstile 0", "turnstile 999",
            ])
        #expect(send(.sensor(problem: nil)) && send(.sensor(problem: .other("a"))) && send(.sensor(problem: nil)))
        #expect(names(inbox.drain()) == ["sensor a", "sensor ok"])
    }

    @Test func passagesAndDroppedReadsAreCounted() {
        for number in 1...5_000 {
            #expect(send(.passage) && send(.reader(0, .dropped(.noise, count: number))))
        }
        #expect(send(.reader(1, .dropped(.noise, count: 1))) && send(.reader(0, .dropped(.tooLong, count: 2))))
        let events = names(inbox.drain())
        #expect(events.count { $0 == "passage" } == LaneInbox.passageCountLimit)
        #expect(events.filter { $0 != "passage" } == ["0 noise 12502500", "1 noise 1", "0 too long 2"])
        #expect(inbox.drain().isEmpty)
        #expect(send(.reader(0, .dropped(.noise, count: .max))) && send(.reader(0, .dropped(.noise, count: 1))))
        #expect(names(inbox.drain()) == ["0 noise \(Int.max)"])
    }

    @Test func eventsKeepTheirOrder() {
        let events: [LaneEvent] = [
            .reader(0, tap(1)), .passage, .sensor(problem: .other("a")), .reader(1, tap(2)), .passage,
            .reader(0, .dropped(.noise, count: 1)), .reader(0, tap(3)),
        ]
        for event in events { #expect(send(event)) }
        #expect(
            names(inbox.drain()) == ["tap 0", "passage", "sensor a", "tap 1", "passage", "0 noise 1", "tap 0"])
    }

    @Test func descriptorIsReadableWhileEventsWait() {
        #expect(!isReadable())
        #expect(send(.passage) && send(.passage))
        #expect(isReadable())
        #expect(inbox.drain().count == 2)
        #expect(!isReadable() && inbox.count == 0)
    }
}

/// A burst of taps while the plug of the passage sensor is pulled.
@Suite struct SensorLostInBurstTests {
    private func world() throws -> LaneWorld {
        let world = try LaneWorld {
            $0.passageMs = 5_000
            $0.readers = [Lane.Settings.Reader("serial:/codes"), Lane.Settings.Reader("nfc:test")]
        }
        try world.venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        try world.start()
        return world
    }

    private func flood(_ world: LaneWorld) {
        for number in 0..<798 {
            world.inbox.send(world.arrival(world.tap([4, 9, UInt8(number / 256), UInt8(number % 256)])))
        }
    }

    @Test func lostSensorAnnulsNoAdmissionAndRaisesAlarm() throws {
        let world = try world()
        world.tap(.delegate)
        flood(world)
        world.inbox.send(world.arrival(.sensor(problem: .other("Input/output error"))))
        world.advance(60_000)
        try world.runOnce()
        try world.runOnce()
        #expect(try !world.verdicts().contains(64), "no passage was observed, so no admission is annulled")
        #expect(world.tap(.delegate)?.scan.verdict == .alreadyInside, "hard anti-passback")
        #expect(world.updates.states.last?.alarms.contains(.passageSensorFailed) == true)
    }

    @Test func sensorThatIsBackAlreadyAnnulsNoAdmission() throws {
        let world = try world()
        world.tap(.delegate)
        flood(world)
        world.inbox.send(world.arrival(.sensor(problem: .other("Input/output error"))))
        world.inbox.send(world.arrival(.sensor(problem: nil)))
        world.advance(60_000)
        try world.runOnce()
        try world.runOnce()
        #expect(try !world.verdicts().contains(64))
        #expect(world.updates.states.last?.alarms.contains(.passageSensorFailed) == false)
    }

    @Test func passagesOfABurstCount() throws {
        let world = try world()
        world.tap(.delegate)
        world.tap(.staff, .out)
        flood(world)
        for _ in 1...2 { world.inbox.send(world.arrival(.passage)) }
        let honest = LaneEvent.reader(1, .tap(Tap(.uid(world.venue.uid(.blocked)), proof: .uid)))
        #expect(world.inbox.send(world.arrival(honest)), "the next honest tap is not lost")
        world.advance(60_000)
        try world.runOnce()
        let verdicts = try world.verdicts()
        #expect(!verdicts.contains(64) && !verdicts.contains(133), "both passed")
        #expect(verdicts.last == 2 && verdicts.count == 3 + LaneInbox.tapLimit)
    }
}
